"""Carriers whose far end is gone without a word: found by what the kernel knows, in about half a minute.

TCP_USER_TIMEOUT would do the same, but it also ends a healthy connection whose far end does not read for that long,
although it answers every probe; and one client that stops reading can bring a carrier there.
"""

from __future__ import annotations

import socket
import sys
from struct import Struct

from proxycore.errors import LinkDown
from proxycore.net.socket_stream import SocketStream
from proxycore.net.wheel import Wheel

LOOK_S = 5.0
UNACKNOWLEDGED_MS = 30_000
"""Sent data that was not acknowledged for so long, while nothing else was either: nobody is there."""

_INFO_BYTES = 104
_UNACKED = Struct("=24xI")          # tcpi_unacked, segments; linux/tcp.h
_LAST_ACK = Struct("=56xI")         # tcpi_last_ack_recv, ms


class Liveness:
    """Looks after one carrier's socket until it has ended."""

    __slots__ = ("_stream", "wheel_slot")

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self.wheel_slot = -1

    def on_watch(self) -> float | None:
        sock = self._stream.sock
        if sock is None:
            return None
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        if is_dead(info):
            self._stream.fail(LinkDown("the other side does not answer any more"))
            return None
        return LOOK_S


def is_dead(info: bytes) -> bool:
    """Read a Linux `struct tcp_info`. A full receive window does not count: its probes are acknowledged."""
    return bool(_UNACKED.unpack_from(info)[0]) and int(_LAST_ACK.unpack_from(info)[0]) > UNACKNOWLEDGED_MS


def watch(stream: SocketStream, wheel: Wheel) -> None:
    """Look after a connected carrier, where the system can tell."""
    if sys.platform == "linux" and stream.sock is not None and stream.sock.family != socket.AF_UNIX:
        wheel.watch(Liveness(stream), LOOK_S)
