"""Whose socket a client has, as Linux tells it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from proxycore.destination import Destination, HostPort, Network, Request
from proxycore.routing.processes import ProcessCondition, find_owner

PROGRAM = os.path.realpath(sys.executable)
pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system has no /proc")


def request(source: HostPort | None, network: Network = "tcp") -> Request:
    return Request(Destination(network, "example.org", 80), "in", source)


@contextmanager
def connected(host: str, family: socket.AddressFamily) -> Iterator[HostPort]:
    """The address of a client of this process."""
    with socket.create_server((host, 0), family=family) as server, socket.socket(family) as sock:
        sock.connect(server.getsockname()[:2])
        name = sock.getsockname()
        yield name[0], name[1]


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_this_process_is_found_by_a_connection(host: str, family: socket.AddressFamily) -> None:
    with connected(host, family) as source:
        owner = find_owner("tcp", source)
        assert owner is not None
        assert (owner.pid, owner.path) == (os.getpid(), PROGRAM)


def test_ipv4_through_a_socket_for_both_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as sock:
        sock.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        assert find_owner("tcp", ("127.0.0.1", sock.getsockname()[1])) is not None


def test_connections_of_the_same_port_that_are_over_or_lead_elsewhere_are_none() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(6)]
        port, owners = 0, []
        for server in servers:          # what was closed stays in the kernel's list, without a program
            with bound_client(port) as over:
                over.connect(server.getsockname())
                port = over.getsockname()[1]
        code = (
            "import socket, sys; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1);"
            "s.bind(('127.0.0.1', int(sys.argv[1]))); s.connect(('127.0.0.1', int(sys.argv[2]))); s.recv(1)")
        other, there = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        child = subprocess.Popen([sys.executable, "-c", code, str(port), str(other.getsockname()[1])])
        try:
            with other.accept()[0], bound_client(port) as ours:
                ours.connect(there.getsockname())
                owners = [find_owner("tcp", ("127.0.0.1", port), server.getsockname()) for server in (other, there)]
        finally:
            child.wait(10)
    assert [owner.pid if owner is not None else None for owner in owners] == [child.pid, os.getpid()]


def bound_client(port: int) -> socket.socket:
    """To be connected from `port`, which others may have, too."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
def test_datagrams_too_also_of_a_socket_for_all_addresses(bound: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((bound, 0))
        owner = find_owner("udp", ("127.0.0.1", sock.getsockname()[1]))
        assert owner is not None
        assert owner.pid == os.getpid()


def test_another_process_is_told_from_this_one() -> None:
    code = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.recv(1)"
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = subprocess.Popen([sys.executable, "-c", code, str(server.getsockname()[1])])
        try:
            accepted, source = server.accept()
            with accepted:
                owner = find_owner("tcp", source)
                assert owner is not None
                assert owner.pid == child.pid
                assert not ProcessCondition(["self/"]).holds(request(source))
        finally:
            child.wait(10)


@pytest.mark.parametrize(("entries", "fits"), [
    ([os.path.basename(PROGRAM)], True), ([PROGRAM], True), ([os.path.dirname(PROGRAM) + "/"], True), (["self/"], True),
    (["curl", f"{os.path.basename(PROGRAM)}.exe"], True), (["curl"], False), (["/usr/bin/curl"], False), (["/nowhere/"], False)])
def test_names_files_and_folders_fit(entries: list[str], fits: bool) -> None:
    with connected("127.0.0.1", socket.AF_INET) as source:
        condition = ProcessCondition(entries)
        assert condition.holds(request(source)) is fits
        assert PROGRAM in condition.why(request(source))


@pytest.mark.parametrize("source", [None, ("192.0.2.7", 5), ("0.0.0.0", 0), ("@name", 0)])
def test_who_is_not_here_fits_nothing(source: HostPort | None) -> None:
    condition = ProcessCondition(["self/", "python3", "/"])
    assert not condition.holds(request(source))
    assert "no program of this host" in condition.why(request(source))
