"""Bodies of strangers: too long, or too many at once. The web server is a real one; it must not hold them."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.panel import Served, served
from tests.support.processes import until
from xrevsite.serving.bounded_request import MAX_BODIES_BYTES, MAX_BODY_BYTES

MIB = 1024**2
PATHS = ["/agent/v1/join/", "/admin/login/", "/api/v1/lint/"]


@pytest.fixture(scope="module")
def panel() -> Iterator[Served]:
    with served("--only", "web") as panel:
        yield panel


def connect(panel: Served, path: str, *lines: str) -> socket.socket:
    """Whose request has begun."""
    sock = socket.create_connection(("127.0.0.1", panel.port), 20)
    head = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{panel.port}", "Content-Type: application/json", *lines, "", ""]
    sock.sendall("\r\n".join(head).encode())
    return sock


def status(sock: socket.socket) -> int:
    with sock.makefile("rb") as answer:
        return int(answer.readline().split()[1])


def peak_mib(process: int) -> int:
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())[0]) // 1024


@pytest.mark.parametrize("path", PATHS)
def test_a_body_without_an_end_is_refused_and_not_held(panel: Served, path: str) -> None:
    web = panel.part("web")
    before = peak_mib(web)
    with connect(panel, path, "Transfer-Encoding: chunked") as sock:
        for _ in range(100):
            sock.sendall(b"%x\r\n%s\r\n" % (MIB, bytes(MIB)))
        sock.sendall(b"0\r\n\r\n")
        assert status(sock) == 413
    assert peak_mib(web) - before < 40


def test_a_length_that_is_too_large_is_refused_before_the_body_comes(panel: Served) -> None:
    with connect(panel, PATHS[0], f"Content-Length: {MAX_BODY_BYTES + 1}", "Expect: 100-continue") as sock:
        answer = b"".join(iter(lambda: sock.recv(1000), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"\r\n\r\nA body may have 32 MiB.\n")


def test_many_long_bodies_at_once_leave_room_for_short_ones(panel: Served) -> None:
    piece = bytes(MAX_BODY_BYTES - MIB)
    bodies = []
    with ExitStack() as stack:
        for _ in range(MAX_BODIES_BYTES // len(piece) + 1):
            bodies.append(stack.enter_context(connect(panel, PATHS[2], f"Content-Length: {len(piece) + 1}")))
            bodies[-1].sendall(piece)       # one byte is missing
        refused, _, _ = select.select(bodies, [], [], 60)       # the last one, or one whose end was read after that began
        assert [status(sock) for sock in refused] == [503]
        with connect(panel, PATHS[0], "Content-Length: 1000") as short:
            short.sendall(bytes(1000))
            assert status(short) == 403         # no good token: but it was looked at

    def is_taken() -> bool:
        with connect(panel, PATHS[0], f"Content-Length: {MIB}") as sock:
            sock.sendall(bytes(MIB))
            return status(sock) == 403

    until("they are forgotten with their connections", is_taken, 10)


def test_a_websocket_begins_without_a_body(panel: Served) -> None:
    """What it had would count as held for ever."""
    for _ in range(MAX_BODIES_BYTES // MAX_BODY_BYTES + 1):
        opening = ["Connection: Upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}=="]
        with connect(panel, "/ws/live/", *opening, f"Content-Length: {MAX_BODY_BYTES}") as sock:
            sock.sendall(bytes(MAX_BODY_BYTES))
            assert status(sock) == 400
    with connect(panel, PATHS[0], f"Content-Length: {MIB}") as sock:
        sock.sendall(bytes(MIB))
        assert status(sock) == 403
