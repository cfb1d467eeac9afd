"""Whether the address that a connection goes out from is still there. (That it goes: tests/e2e/test_lost_path.py.)"""

from __future__ import annotations

import socket

import pytest

from proxycore.net.local_address import is_gone


def test_an_address_of_this_host_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        assert not is_gone(client)


@pytest.mark.skipif(not socket.has_ipv6, reason="this system has no IPv6")
def test_the_same_with_ipv6() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this host has no IPv6 address")
    with listener, socket.create_connection(listener.getsockname()[:2]) as client:
        assert not is_gone(client)


class Elsewhere(socket.socket):
    """Goes out from an address that is in no network (RFC 5737)."""

    def getsockname(self) -> tuple[str, int]:
        return ("192.0.2.77", 4000)


def test_an_address_that_this_host_does_not_have_is_gone() -> None:
    with Elsewhere(socket.AF_INET, socket.SOCK_STREAM) as sock:
        assert is_gone(sock)


def test_of_a_unix_socket_it_cannot_be_told() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert not is_gone(left)
