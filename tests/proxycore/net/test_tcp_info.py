"""What the kernel says of a connection."""

from __future__ import annotations

import socket

from proxycore.net.tcp_info import tcp_info
from tests.support.sockets import World


async def test_a_connection_has_a_round_trip_and_counts(world: World) -> None:
    near, far = world.connected_pair()
    for _ in range(5):
        near.send(b"x" * 1000)
        await world.read(far, 1000)
    info = tcp_info(near)
    assert info is not None
    assert 0 < info.rtt_ms < 1000
    assert info.sent >= 5
    assert info.retransmitted == 0


def test_what_is_no_tcp_connection_has_nothing() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert tcp_info(near) is None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert tcp_info(datagrams) is None
