"""Where requests go: freedom in all its forms, blackhole, port ranges and maps, rules; one process for all of it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import documents
from tests.support.processes import LOCALHOST, XREV, Processes, free_port, free_range, quickest
from tests.support.target import (
    GREETING,
    Target,
    ask,
    download_is_whole,
    is_served,
    read_exactly,
    read_to_end,
    udp_echo,
)

FORBIDDEN = b"HTTP/1.1 403 Forbidden\nConnection: close\nCache-Control: max-age=3600, public\nContent-Length: 0\n\n\n"
NO_SUCH_NAME = "nowhere.invalid"
NO_NAME_AT_ALL = f"{'a' * 64}.example"
"""A label is 63 characters at most: no resolver is asked."""

LOOKUP_S = 8.0


class Outbounds:
    """A process with one door for each case. `ports`: by case."""

    def __init__(self, processes: Processes, target: Target) -> None:
        self.processes = processes
        self.ports: dict[str, int] = {}
        self.doors: list[dict[str, Any]] = []
        nobody = free_port()
        freedom = {
            "direct": {},
            "to host and port": {"redirect": f"{LOCALHOST}:{target.port}"},
            "to port": {"redirect": f":{target.port}"},
            "to host": {"redirect": f"{LOCALHOST}:0"},
            "to name": {"redirect": f"localhost:{target.port}"},
            "ipv4": {"domainStrategy": "UseIPv4"},
            "datagrams": {"redirect": f"{LOCALHOST}:{target.udp_port}"},
        }
        self.outbounds: list[dict[str, Any]] = [
            {"tag": tag, "protocol": "freedom", "settings": settings} for tag, settings in freedom.items()
        ]
        self.outbounds += [
            {"tag": "block", "protocol": "blackhole"},
            {"tag": "forbid", "protocol": "blackhole", "settings": {"response": {"type": "http"}}},
        ]
        tags = [outbound["tag"] for outbound in self.outbounds]
        self.rules = [documents.rule(tag, inboundTag=[tag]) for tag in tags]
        self.rules += [
            documents.rule("forbid", inboundTag=["rules"], domain=["domain:forbidden.example", "keyword:casino"]),
            documents.rule("datagrams", inboundTag=["rules"], network="udp"),
            documents.rule("to host and port", inboundTag=["rules"], port="1-99"),
            documents.rule("block", inboundTag=["rules"]),
        ]
        self.door("direct", target.port)
        self.door("to host and port", nobody, address="192.0.2.1")
        self.door("to port", nobody)
        self.door("to host", target.port, address="192.0.2.1")
        self.door("to name", nobody, address="192.0.2.1")
        self.door("ipv4", target.port, address="localhost")
        self.door("datagrams", nobody, network="udp", address="192.0.2.1")
        self.door("block", target.port)
        self.door("forbid", target.port)
        self.door("a name of localhost", target.port, address="localhost", tag="direct2")
        self.door("datagrams to a name", target.udp_port, network="udp", address="localhost", tag="direct3")
        self.door("no such name", 80, address=NO_SUCH_NAME, tag="direct4")
        self.door("no name at all", 80, address=NO_NAME_AT_ALL, tag="direct5")
        self.door("rule by domain", target.port, address="www.forbidden.example", tag="rules")
        self.door("rule by keyword", target.port, address="casino.example", tag="rules")
        self.door("rule by port", 80, address="192.0.2.1", tag="rules")
        self.door("rule by network", nobody, network="udp", address="192.0.2.1", tag="rules")
        self.door("last rule", target.port, tag="rules")
        first = free_range(3)
        door = documents.door("range", f"{first}-{first + 2}", 0)
        door["settings"]["portMap"] = {
            str(first): f"{LOCALHOST}:{target.port}", str(first + 1): f":{target.greeting_port}"
        }
        door["settings"]["port"] = nobody
        self.doors.append(door)
        self.ports |= {"mapped": first, "mapped port": first + 1, "not mapped": first + 2}

    def door(self, case: str, target_port: int, *, network: str = "tcp", address: str = LOCALHOST, tag: str = "") -> None:
        self.ports[case] = free_port()
        self.doors.append(documents.door(tag or case, self.ports[case], target_port, network, address))


@pytest.fixture(scope="module")
def outbounds(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outbounds]:
    processes = Processes(tmp_path_factory.mktemp("outbounds"))
    try:
        outbounds = Outbounds(processes, target)
        for number, door in enumerate(outbounds.doors):     # several may share a rule, but not a tag
            if door["tag"] == "rules":
                door["tag"] = f"rules{number}"
        tags = [door["tag"] for door in outbounds.doors if door["tag"].startswith("rules")]
        for rule in outbounds.rules:
            if rule["inboundTag"] == ["rules"]:
                rule["inboundTag"] = tags
        document = documents.proxy(outbounds.doors, outbounds.outbounds, outbounds.rules)
        processes.run_document("xrev", XREV, document).await_port(outbounds.ports["not mapped"])
        yield outbounds
    finally:
        processes.end_all()


@pytest.mark.parametrize("case", [
    "direct", "to host and port", "to port", "to host", "to name", "ipv4", "a name of localhost", "rule by port", "mapped",
])
def test_the_target_is_reached(outbounds: Outbounds, case: str) -> None:
    assert download_is_whole(outbounds.ports[case], 100_000)


def test_a_port_map_may_change_the_port_alone(outbounds: Outbounds) -> None:
    with ask(outbounds.ports["mapped port"], b"") as sock:
        assert read_exactly(sock, len(GREETING)) == GREETING


@pytest.mark.parametrize("case", ["datagrams", "rule by network", "datagrams to a name"])
def test_the_target_of_datagrams_is_reached(outbounds: Outbounds, case: str) -> None:
    assert udp_echo(outbounds.ports[case], b"datagram") == b"datagram"


@pytest.mark.parametrize("case", ["forbid", "rule by domain", "rule by keyword"])
def test_blackhole_answers_http(outbounds: Outbounds, case: str) -> None:
    with ask(outbounds.ports[case], b"GET / HTTP/1.1\r\n\r\n") as sock:
        assert read_to_end(sock) == FORBIDDEN


@pytest.mark.parametrize(("case", "limit_s"), [
    ("block", 0.5), ("last rule", 0.5), ("not mapped", 0.5), ("no name at all", 0.5), ("no such name", LOOKUP_S),
])
def test_the_client_is_told_that_it_goes_nowhere(outbounds: Outbounds, case: str, limit_s: float) -> None:
    def seconds_until_told() -> float:
        begin = time.monotonic()
        with ask(outbounds.ports[case], b"", timeout_s=limit_s + 5) as sock, contextlib.suppress(ConnectionResetError):
            sock.sendall(b"GET 10\n")
            assert read_to_end(sock) == b""
        return time.monotonic() - begin

    assert quickest(seconds_until_told, limit_s) < limit_s


def test_half_close_goes_through_both_ways(outbounds: Outbounds) -> None:
    data = bytes(range(256)) * 4096
    with ask(outbounds.ports["direct"], b"DIGEST\n") as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock).split()[0] == str(len(data)).encode()
    assert is_served(outbounds.ports["direct"])
