"""dig asks a process of ours, and that asks a name server; names that freedom looks up there; V2Ray's DNS as a client."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import program
from tests.support import documents
from tests.support.name_server import NameServer
from tests.support.processes import LOCALHOST, XREV, Process, Processes, free_port, until
from tests.support.target import Target, download_is_whole

MANY = [f"10.1.0.{number}" for number in range(1, 200)]


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    records = {
        "www.site.org": ["A 10.0.0.1", "A 10.0.0.2", "AAAA 2001:db8::1", 'TXT "hello"'],
        "alias.site.org": ["CNAME www.site.org."],
        "many.org": [f"A {ip}" for ip in MANY],
        "target.org": [f"A {LOCALHOST}"],
    }
    with NameServer(records) as server:
        yield server


class Dig:
    """Asks the process on `port`."""

    def __init__(self, path: str, port: int) -> None:
        self._command = [path, f"@{LOCALHOST}", "-p", str(port), "+tries=1", "+timeout=5"]

    def __call__(self, *words: str) -> str:
        return subprocess.run([*self._command, *words], capture_output=True, text=True, timeout=30, check=False).stdout

    def short(self, *words: str) -> list[str]:
        return sorted(self(*words, "+short").split())


Serve = Callable[..., Dig]


@pytest.fixture
def serve(processes: Processes, require: Callable[[str], str], name_server: NameServer) -> Serve:
    """`serve(dns, settings)`: a process with this `dns` section and outbound; dig, aimed at it."""

    def serve(dns: dict[str, Any] | None, settings: dict[str, Any] | None = None) -> Dig:
        path = require("dig")
        door = documents.door("door", free_port(), name_server.port, "tcp,udp")
        outbounds: list[dict[str, Any]] = [
            {"tag": "dns", "protocol": "dns", "settings": settings or {}}, {"tag": "direct", "protocol": "freedom"}]
        rules = [documents.rule("dns", inboundTag=["door"]), documents.rule("direct", inboundTag=["names"])]
        document = documents.proxy([door], outbounds, rules)
        if dns is not None:
            document["dns"] = dns
        process: Process = processes.run_document("xrev", XREV, document)
        process.await_port(door["port"])
        return Dig(path, door["port"])

    return serve


@pytest.fixture
def section(name_server: NameServer) -> dict[str, Any]:
    return {"tag": "names", "servers": [{"address": LOCALHOST, "port": name_server.port}], "hosts": {"nas.lan": "192.168.1.5"}}


def test_dig_is_answered_by_datagram_and_by_connection(serve: Serve, section: dict[str, Any], name_server: NameServer) -> None:
    dig = serve(section)
    for way in ("+notcp", "+tcp"):
        assert dig.short("www.site.org", way) == ["10.0.0.1", "10.0.0.2"]
        assert dig.short("www.site.org", "AAAA", way) == ["2001:db8::1"]
        assert dig.short("nas.lan", way) == ["192.168.1.5"]
    answer = dig("Alias.Site.org", "A")
    assert "status: NOERROR" in answer
    assert "Alias.Site.org." in answer
    assert "flags: qr aa rd ra" in answer
    assert "status: NXDOMAIN" in dig("nowhere.org")
    assert name_server.asked.count(("udp", "www.site.org", "A")) == 1       # the rest is remembered


def test_several_questions_come_on_one_connection(serve: Serve, section: dict[str, Any]) -> None:
    dig = serve(section)
    found = dig("+tcp", "+keepopen", "+short", "www.site.org", "A", "www.site.org", "AAAA", "nas.lan", "A").split()
    assert sorted(found) == ["10.0.0.1", "10.0.0.2", "192.168.1.5", "2001:db8::1"]


def test_what_does_not_fit_into_a_datagram_is_asked_for_again_by_connection(serve: Serve, section: dict[str, Any]) -> None:
    dig = serve(section)
    assert len(dig.short("many.org", "+ignore", "+noedns")) == 30        # what 512 bytes hold
    assert dig.short("many.org") == sorted(MANY)


def test_other_questions_get_an_empty_answer_or_what_a_rule_says(
    serve: Serve, section: dict[str, Any], name_server: NameServer
) -> None:
    rules = [
        {"action": "direct", "qType": 16, "domain": ["domain:site.org"]},
        {"action": "return", "qType": "1,28", "domain": ["full:www.site.org"], "rCode": 5},
        {"action": "drop", "qType": 12},
    ]
    dig = serve(section, {"rules": rules})
    assert dig.short("www.site.org", "TXT") == ['"hello"']
    assert dig.short("www.site.org", "TXT", "+tcp") == ['"hello"']
    assert "status: REFUSED" in dig("www.site.org")
    assert dig.short("target.org") == [LOCALHOST]
    answer = dig("www.site.org", "MX")
    assert "status: NOERROR" in answer
    assert "ANSWER: 0" in answer
    assert "status:" not in dig("www.site.org", "PTR", "+timeout=1")
    assert {kind for _, _, kind in name_server.asked} == {"TXT", "A"}


@pytest.mark.parametrize(("settings", "expected"), [
    ({"nonIPQuery": "skip"}, '"hello"'), ({"nonIPQuery": "reject"}, "status: REFUSED"), ({"blockTypes": [16]}, "status: REFUSED"),
])
def test_the_older_form_of_rules(serve: Serve, section: dict[str, Any], settings: dict[str, Any], expected: str) -> None:
    dig = serve(section, settings)
    assert expected in dig("www.site.org", "TXT")
    assert dig.short("www.site.org") == ["10.0.0.1", "10.0.0.2"]


def test_questions_are_handed_on_to_another_server_by_another_way(serve: Serve, name_server: NameServer) -> None:
    with NameServer({"www.site.org": ['TXT "other"']}) as other:
        rewrite = {"rewriteNetwork": "tcp", "rewriteAddress": LOCALHOST, "rewritePort": other.port}
        dig = serve(None, {"rules": [{"action": "direct"}], **rewrite})
        assert dig.short("www.site.org", "TXT", "+notcp") == ['"other"']
        assert other.asked == [("tcp", "www.site.org", "TXT")]
    assert name_server.asked == []


def test_a_server_that_cannot_be_asked_is_told_to_the_client(serve: Serve) -> None:
    dig = serve({"servers": [f"tcp+local://{LOCALHOST}:{free_port()}"]})
    assert "status: SERVFAIL" in dig("www.site.org")


def test_freedom_finds_its_target_by_the_names_of_the_document(
    processes: Processes, target: Target, section: dict[str, Any], name_server: NameServer
) -> None:
    door = documents.door("door", free_port(), target.port, address="target.org")
    outbounds = [{"tag": "out", "protocol": "freedom", "settings": {"domainStrategy": "ForceIP"}}]
    document = documents.proxy([door], outbounds) | {"dns": section}
    processes.run_document("xrev", XREV, document).await_port(door["port"])
    assert download_is_whole(door["port"], 100_000)
    assert ("udp", "target.org", "A") in name_server.asked


def test_the_dns_of_v2ray_is_answered(
    processes: Processes, target: Target, section: dict[str, Any], name_server: NameServer
) -> None:
    ours = documents.door("door", free_port(), name_server.port, "tcp,udp")
    document = documents.proxy([ours], [{"tag": "dns", "protocol": "dns"}, {"tag": "direct", "protocol": "freedom"}], [
        documents.rule("dns", inboundTag=["door"]), documents.rule("direct", inboundTag=["names"]),
    ]) | {"dns": section}
    processes.run_document("xrev", XREV, document).await_port(ours["port"])
    theirs = documents.door("door", free_port(), target.port, address="target.org")
    document = documents.proxy([theirs], [{"tag": "out", "protocol": "freedom", "settings": {"domainStrategy": "UseIPv4"}}])
    document["dns"] = {"servers": [{"address": LOCALHOST, "port": ours["port"]}]}
    processes.run_document("v2ray", program("v2ray"), document).await_port(theirs["port"])
    assert download_is_whole(theirs["port"], 100_000)
    assert ("udp", "target.org", "A") in name_server.asked


def test_our_dns_is_answered_by_the_dns_of_v2ray(
    processes: Processes, target: Target, name_server: NameServer
) -> None:
    theirs = documents.door("door", free_port(), name_server.port, "tcp,udp")
    document = documents.proxy([theirs], [{"tag": "dns", "protocol": "dns"}])
    document["dns"] = {"servers": ["localhost"], "hosts": {"target.org": LOCALHOST}}
    processes.run_document("v2ray", program("v2ray"), document).await_port(theirs["port"])
    ours = documents.door("door", free_port(), target.port, address="target.org")
    document = documents.proxy([ours], [{"tag": "out", "protocol": "freedom", "settings": {"domainStrategy": "ForceIPv4"}}])
    document["dns"] = {"servers": [{"address": LOCALHOST, "port": theirs["port"]}]}
    processes.run_document("xrev", XREV, document).await_port(ours["port"])
    assert download_is_whole(ours["port"], 100_000)


def test_the_access_log_has_what_name_servers_answer_if_asked_for(
    processes: Processes, target: Target, name_server: NameServer
) -> None:
    port = free_port()
    door = documents.door("web", port, target.port, address="target.org")
    out = {"protocol": "freedom", "settings": {"domainStrategy": "ForceIPv4"}}
    document = documents.proxy([door], [out]) | {
        "dns": {"servers": [{"address": LOCALHOST, "port": name_server.port}]},
        "log": {"loglevel": "warning", "access": str(processes.folder / "access.log"), "dnsLog": True}}
    processes.run_document("a", XREV, document).await_port(port)
    for _ in range(2):
        assert download_is_whole(port, 10)

    def lines() -> list[str]:
        path = processes.folder / "access.log"
        return [line for line in path.read_text().splitlines() if "target.org ->" in line] if path.exists() else []

    until("both lines are written", lambda: any("HIT" in line for line in lines()), 20)
    asked, kept, *_ = lines()
    assert f" {LOCALHOST} got answer: target.org -> [{LOCALHOST}] " in asked
    assert asked.endswith("ms")
    assert kept.endswith(f" {LOCALHOST} cache HIT: target.org -> [{LOCALHOST}]")
