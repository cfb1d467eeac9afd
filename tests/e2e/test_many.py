"""Very many clients, and one that does not read."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator

import pytest

from tests.support.processes import LOCALHOST, XREV, Processes, until
from tests.support.target import Target, is_served, read_exactly
from tests.support.tunnel import Tunnel

IDLE_CONNECTIONS = 2000
FEW_DESCRIPTORS = 256
WITH_FEW_DESCRIPTORS = ("sh", "-c", f'ulimit -S -n {FEW_DESCRIPTORS}; exec "$@"', "sh", *XREV)
MOST_BYTES_PER_IDLE_CONNECTION = 12 * 1024
"""Of both processes together; the bench measures it better."""

STALLED_BYTES = 64 << 20
MOST_STALLED_GROWTH_BYTES = 40 << 20
SMALL_RECEIVE_BUFFER = 64 * 1024


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """This process holds both ends of every connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3 * IDLE_CONNECTIONS:
        pytest.skip(f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_2000_idle_connections_are_all_answered(processes: Processes, target: Target) -> None:
    # both start with a soft limit that is too low, and have to raise it
    tunnel = Tunnel(processes, target, WITH_FEW_DESCRIPTORS, WITH_FEW_DESCRIPTORS).up()
    before = tunnel.portal.rss_bytes + tunnel.bridge.rss_bytes
    with contextlib.ExitStack() as stack:
        socks = []
        for _ in range(IDLE_CONNECTIONS):
            sock = stack.enter_context(socket.create_connection((LOCALHOST, tunnel.port), 10))
            sock.sendall(b"ECHO\n!")
            socks.append(sock)
        assert sum(read_exactly(sock, 1) == b"!" for sock in socks) == IDLE_CONNECTIONS
        grown = tunnel.portal.rss_bytes + tunnel.bridge.rss_bytes - before
        assert grown / IDLE_CONNECTIONS < MOST_BYTES_PER_IDLE_CONNECTION
        for sock in socks[::100]:
            sock.sendall(b"again")
            assert read_exactly(sock, 5) == b"again"
    assert is_served(tunnel.port, 5)


def test_a_client_that_does_not_read_costs_bounded_memory_and_its_end_frees_the_tunnel(tunnel: Tunnel) -> None:
    before = {part: process.rss_bytes for part, process in tunnel.parts.items()}
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_RECEIVE_BUFFER)
        sock.connect((LOCALHOST, tunnel.port))
        given_before = tunnel.target.given_bytes
        sock.sendall(b"GET %d\n" % STALLED_BYTES)
        counts: list[int] = []

        def has_stalled() -> bool:
            counts.append(tunnel.target.given_bytes - given_before)
            return len(counts) > 10 and counts[-1] == counts[-10] > 0

        until("the download stalls", has_stalled, 15, pause_s=0.05)
        assert counts[-1] < STALLED_BYTES
        for part, process in tunnel.parts.items():
            assert process.rss_bytes - before[part] < MOST_STALLED_GROWTH_BYTES, part
    until("the others are served again", lambda: is_served(tunnel.port), 10)


def test_a_target_that_does_not_read_costs_bounded_memory_and_its_end_frees_the_tunnel(
    processes: Processes, target: Target
) -> None:
    with socket.create_server((LOCALHOST, 0)) as deaf:
        tunnel = Tunnel(processes, target)
        doors = tunnel.documents["portal"]["inbounds"]
        refused = next(door for door in doors if door["tag"] == "refused")
        refused["settings"]["port"] = deaf.getsockname()[1]
        tunnel.up()
        before = {part: process.rss_bytes for part, process in tunnel.parts.items()}
        with socket.create_connection((LOCALHOST, tunnel.refused_port), 5) as sock:
            sock.settimeout(1)
            sent, block = 0, bytes(1 << 20)
            with contextlib.suppress(TimeoutError):
                while sent < STALLED_BYTES:
                    sent += sock.send(block)
            assert sent < STALLED_BYTES
            for part, process in tunnel.parts.items():
                assert process.rss_bytes - before[part] < MOST_STALLED_GROWTH_BYTES, part
    # its end resets what it never took
    until("the others are served again", lambda: is_served(tunnel.port), 10)
