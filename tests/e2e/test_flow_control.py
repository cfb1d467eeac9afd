"""Clients that stop reading, that finish before they are answered, and who they are: through tunnels of ours and of others."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import program
from tests.e2e.nginx import nginx
from tests.support import documents
from tests.support.processes import LOCALHOST, Processes, free_port, until
from tests.support.target import BLOCK, Target, ask, digest, is_served, pattern, read_exactly, read_to_end
from tests.support.tunnel import Tunnel

STALLED_CLIENTS = 20
STALLED_BYTES = 512 << 20
MOST_GROWTH_BYTES = 96 << 20
"""Of one process, for all of them."""

OTHERS = 200
"""Requests beside them, each of which must be answered, ..."""

ANSWER_S = 2.0
"""... within this, on a busy machine."""

FIRST_S, BESIDE_S, PAUSE_S = 1.0, 10.0, 0.05
"""With another core on one side: requests beside a stalled client are looked at after the first, for the second, one after the
other with the third between. (So few that no carrier is replaced because it was used up.)"""

KEPT = 0.8
"""The share of that time that may not be lost on requests without an answer."""

CLIENT = "127.0.0.7"


@contextlib.contextmanager
def stalled(port: int, count: int) -> Iterator[None]:
    """Clients that ask for a lot and read nothing of it."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(ask(port, b"GET %d\n" % STALLED_BYTES))
        yield


def test_clients_that_stop_reading_stall_nobody_else_and_cost_bounded_memory(tunnel: Tunnel) -> None:
    until("both know each other", lambda: "is one of ours" in tunnel.portal.log, 20)
    before = {part: process.rss_bytes for part, process in tunnel.parts.items()}
    carriers = tunnel.portal.log.count("bridge connected")
    with stalled(tunnel.port, STALLED_CLIENTS):
        time.sleep(1)                   # until nothing of it moves any more
        slowest = 0.0
        for _ in range(OTHERS):
            begin = time.monotonic()
            assert is_served(tunnel.port, ANSWER_S)
            slowest = max(slowest, time.monotonic() - begin)
        assert slowest < ANSWER_S
        for part, process in tunnel.parts.items():
            assert process.rss_bytes - before[part] < MOST_GROWTH_BYTES, part
    assert tunnel.portal.log.count("bridge connected") <= carriers + 2          # it needs no other carrier for that
    assert is_served(tunnel.port, 5)


@pytest.mark.parametrize(("portal", "bridge"), [("xrev", "v2ray"), ("v2ray", "xrev")])
def test_with_another_core_nearly_all_others_are_served(processes: Processes, target: Target, portal: str, bridge: str) -> None:
    """From the first moment on, when our portal does not know yet what the bridge understands."""
    tunnel = Tunnel(processes, target, program(portal), program(bridge)).up()
    lost_s = 0.0
    with stalled(tunnel.port, 1):
        time.sleep(FIRST_S)
        end = time.monotonic() + BESIDE_S
        while (begin := time.monotonic()) < end:
            if not is_served(tunnel.port, 1):
                lost_s += time.monotonic() - begin
            time.sleep(PAUSE_S)
    assert 1 - lost_s / BESIDE_S >= KEPT
    assert all(is_served(tunnel.port, 1) for _ in range(20))


def digest_of_upload(port: int, data: bytes) -> bytes:
    """What the target says once it has seen the end."""
    with ask(port, b"DIGEST\n") as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return read_to_end(sock)


def test_a_client_that_has_finished_gets_the_answer_to_all_of_it(tunnel: Tunnel) -> None:
    until("both know each other", lambda: "is one of ours" in tunnel.portal.log, 20)
    data = os.urandom(1 << 20)
    expected = b"%d %b" % (len(data), digest(data))
    assert [digest_of_upload(tunnel.port, data) for _ in range(20)] == [expected] * 20


def test_a_client_of_another_core_that_has_finished_gets_what_was_coming(processes: Processes, target: Target) -> None:
    tunnel = Tunnel(processes, target, bridge=program("v2ray")).up()
    for size in (10, 1 << 20):
        with ask(tunnel.port, b"GET %d\n" % size) as sock:
            sock.shutdown(socket.SHUT_WR)
            assert read_exactly(sock, size) == pattern(size)


def from_address(port: int, source: str, line: bytes) -> socket.socket:
    sock = socket.create_connection((LOCALHOST, port), 5, source_address=(source, 0))
    sock.settimeout(5)
    sock.sendall(line)
    return sock


def test_the_bridge_routes_and_logs_by_the_clients_address(processes: Processes, target: Target) -> None:
    tunnel = Tunnel(processes, target)
    access = processes.folder / "access.log"
    document = tunnel.documents["bridge"]
    document["log"]["access"] = str(access)
    document["outbounds"].append({"tag": "nowhere", "protocol": "blackhole"})
    document["routing"]["rules"].insert(1, documents.rule("nowhere", inboundTag=["bridge"], source=["127.0.0.8"]))
    tunnel.up()
    until("both know each other", lambda: "is one of ours" in tunnel.portal.log, 20)
    with from_address(tunnel.port, CLIENT, b"GET 10\n") as sock:
        assert read_to_end(sock) == BLOCK[:10]
    with from_address(tunnel.port, "127.0.0.8", b"GET 10\n") as sock, contextlib.suppress(ConnectionResetError):
        assert read_to_end(sock) == b""

    def lines_of(source: str) -> list[str]:
        return [line for line in access.read_text().splitlines() if source in line]

    until("both are in the log", lambda: lines_of(CLIENT) and lines_of("127.0.0.8"), 20)
    lines = [*lines_of(CLIENT), *lines_of("127.0.0.8")]
    assert ["[bridge -> out]" in line for line in lines] == [True, False]
    assert "[bridge -> nowhere]" in lines[1]


@pytest.mark.parametrize("version", [1, 2])
def test_the_target_learns_who_the_client_is(
    processes: Processes, target: Target, require: Callable[[str], str], version: int
) -> None:
    seen = free_port()
    nginx(processes, require("nginx"), [(f"{LOCALHOST}:{seen} proxy_protocol", "seen")])
    tunnel = Tunnel(processes, target)
    doors = tunnel.documents["portal"]["inbounds"]
    next(door for door in doors if door["tag"] == "refused")["settings"]["port"] = seen
    for outbound in tunnel.documents["bridge"]["outbounds"]:
        if outbound["tag"] == "out":
            outbound["settings"] = {"proxyProtocol": version}
    tunnel.start("portal")
    tunnel.start("bridge")
    until("both know each other", lambda: "is one of ours" in tunnel.portal.log, 20)
    with from_address(tunnel.refused_port, CLIENT, b"GET /a HTTP/1.0\r\n\r\n") as sock:
        assert read_to_end(sock).endswith(f"seen {CLIENT} /a".encode())
