"""curl asks for names, but its proxy is told addresses only: what sniffing finds in the first bytes decides."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import require_program
from tests.e2e.conftest import program
from tests.support import documents
from tests.support.certificates import authority, pair
from tests.support.processes import LOCALHOST, Processes, free_port
from tests.support.target import GREETING, Target, ask, read_exactly
from tests.support.web import Web, web_server

CORES = ["v2ray", "xrev"]
SEEN, OTHER = "www.seen.example", "www.other.example"
NOWHERE = "192.0.2.1"           # what the names are for curl; every outbound leads elsewhere
SECOND_HOST = "127.0.0.2"


class Sites(NamedTuple):
    """The servers that the outbounds lead to, by scheme."""

    seen: dict[str, Web]
    other: dict[str, Web]


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    with ExitStack() as stack:
        both = [
            {"http": stack.enter_context(web_server()), "https": stack.enter_context(web_server(pair(SEEN, OTHER)))}
            for _ in range(2)
        ]
        yield Sites(*both)


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    path.write_text(authority().pem)
    return path


def leading(tag: str, web: Web) -> dict[str, Any]:
    return {"tag": tag, "protocol": "freedom", "settings": {"redirect": f"{LOCALHOST}:{web.server_port}"}}


def socks(port: int, sniffing: dict[str, Any]) -> dict[str, Any]:
    return {"tag": "in", "listen": LOCALHOST, "port": port, "protocol": "socks", "sniffing": sniffing}


def curl(*arguments: str) -> str:
    """The status code; "000" where there was no answer."""
    command = [require_program("curl"), "-s", "--max-time", "10", "--noproxy", "", "-o", "/dev/null", "-w", "%{http_code}"]
    return subprocess.run([*command, *arguments], capture_output=True, timeout=20, check=False, text=True).stdout


def server_of(sites: Sites, scheme: str, name: str, *arguments: str) -> str:
    """Which server answers when curl asks for `name`."""
    before = [len(one[scheme].asked) for one in sites]
    assert curl(*arguments, f"{scheme}://{name}/") == "204"
    more = [len(one[scheme].asked) - count for one, count in zip(sites, before, strict=True)]
    return {(1, 0): "seen", (0, 1): "other"}[more[0], more[1]]


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    ("sniffing", "found"),
    [
        ({"enabled": True, "destOverride": ["http", "tls"]}, {"http", "https"}),
        ({"enabled": True, "destOverride": ["http"]}, {"http"}),
        ({"enabled": True, "destOverride": ["tls"]}, {"https"}),
        ({"enabled": True, "destOverride": []}, set()),
        ({"enabled": False, "destOverride": ["http", "tls"]}, set()),
    ],
    ids=["both", "http", "tls", "none", "off"],
)
def test_a_rule_about_a_name_decides_where_a_request_for_an_address_goes(
    processes: Processes, sites: Sites, trusted: Path, core: str, sniffing: dict[str, Any], found: set[str]
) -> None:
    ports = {scheme: free_port() for scheme in ("http", "https")}
    inbounds = [{**socks(port, sniffing), "tag": scheme} for scheme, port in ports.items()]
    outbounds = [leading(f"{kind}-{scheme}", getattr(sites, kind)[scheme]) for kind in ("other", "seen") for scheme in ports]
    for_names = [documents.rule(f"seen-{scheme}", inboundTag=[scheme], domain=["domain:seen.example"]) for scheme in ports]
    for_rest = [documents.rule(f"other-{scheme}", inboundTag=[scheme]) for scheme in ports]
    document = documents.proxy(inbounds, outbounds, [*for_names, *for_rest])
    process = processes.run_document(core, program(core), document)
    for scheme, port in ports.items():
        process.await_port(port)
        way = ["--socks5", f"{LOCALHOST}:{port}", "--cacert", str(trusted)]
        for name in (SEEN, OTHER):
            way += ["--resolve", f"{name}:{80 if scheme == 'http' else 443}:{NOWHERE}"]
        assert server_of(sites, scheme, SEEN, *way) == ("seen" if scheme in found else "other")
        assert server_of(sites, scheme, OTHER, *way) == "other"


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_same_through_a_door_that_leads_to_one_address(
    processes: Processes, sites: Sites, trusted: Path, core: str, scheme: str
) -> None:
    port = free_port()
    door = {**documents.door("in", port, 443, address=NOWHERE), "sniffing": {"enabled": True, "destOverride": ["http", "tls"]}}
    outbounds = [leading("other", sites.other[scheme]), leading("seen", sites.seen[scheme])]
    document = documents.proxy([door], outbounds, [documents.rule("seen", domain=[f"full:{SEEN}"])])
    processes.run_document(core, program(core), document).await_port(port)
    way = ["--connect-to", f"::{LOCALHOST}:{port}", "--cacert", str(trusted)]
    assert [server_of(sites, scheme, name, *way) for name in (SEEN, OTHER)] == ["seen", "other"]


@pytest.mark.parametrize(
    ("core", "route_only", "host"),
    [("v2ray", False, SECOND_HOST), ("xrev", False, SECOND_HOST), ("xrev", True, LOCALHOST)],
    ids=["v2ray", "xrev", "xrev with routeOnly"],
)
def test_a_connection_goes_to_the_name_that_was_found_or_with_route_only_where_the_client_said(
    processes: Processes, core: str, route_only: bool, host: str
) -> None:
    with web_server() as first, web_server(host=SECOND_HOST, port=first.server_port) as second:
        port = free_port()
        sniffing = {"enabled": True, "destOverride": ["http"]} | ({"routeOnly": True} if route_only else {})
        direct = {"tag": "direct", "protocol": "freedom", "settings": {"domainStrategy": "UseIP"}}
        document = documents.proxy(
            [socks(port, sniffing)], [{"tag": "blocked", "protocol": "blackhole"}, direct],
            [documents.rule("direct", domain=[f"full:{SEEN}"])],
        ) | {"dns": {"hosts": {SEEN: SECOND_HOST}, "servers": [LOCALHOST]}}
        processes.run_document(core, program(core), document).await_port(port)
        way = ["--socks5", f"{LOCALHOST}:{port}", "--resolve", f"{SEEN}:{first.server_port}:{LOCALHOST}"]
        assert curl(*way, f"http://{SEEN}:{first.server_port}/") == "204"
        assert (len(first.asked), len(second.asked)) == ((1, 0) if host == LOCALHOST else (0, 1))


@pytest.mark.parametrize("core", CORES)
def test_a_client_that_waits_for_the_server_to_speak_is_served(processes: Processes, target: Target, core: str) -> None:
    port = free_port()
    door = documents.door("in", port, target.greeting_port)
    document = documents.proxy(
        [{**door, "sniffing": {"enabled": True, "destOverride": ["http", "tls"]}}], [{"tag": "direct", "protocol": "freedom"}]
    )
    processes.run_document(core, program(core), document).await_port(port)
    with ask(port, b"") as sock:
        assert read_exactly(sock, len(GREETING)) == GREETING
