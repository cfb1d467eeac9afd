"""Whether a carrier's far end is still there, by what the kernel says."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest

from proxycore.net.liveness import UNACKNOWLEDGED_MS, is_dead


def info(unacked: int, last_ack_ms: int) -> bytes:
    data = bytearray(104)
    struct.pack_into("=I", data, 24, unacked)
    struct.pack_into("=I", data, 56, last_ack_ms)
    return bytes(data)


@pytest.mark.parametrize(
    ("unacked", "last_ack_ms", "dead"),
    [(0, 10**6, False), (3, UNACKNOWLEDGED_MS, False), (3, UNACKNOWLEDGED_MS + 1, True)],
    ids=["idle, or its window is full", "lossy", "gone"],
)
def test_only_unacknowledged_data_that_nobody_answers_is_death(unacked: int, last_ack_ms: int, dead: bool) -> None:
    assert is_dead(info(unacked, last_ack_ms)) is dead


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="this system does not tell")
def test_a_connection_that_is_not_read_is_alive() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):      # until its buffers and the other's window are full
                while client.send(bytes(65536)):
                    pass
            data = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            assert not is_dead(data)
            assert struct.unpack_from("=I", data, 56)[0] < 1000       # the kernel has been acknowledged just now
