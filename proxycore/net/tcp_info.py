"""What the kernel knows of a TCP connection. Source: Linux `struct tcp_info`, linux/tcp.h."""

from __future__ import annotations

import socket
import sys
from struct import Struct
from typing import NamedTuple

IPPROTO_MPTCP = 262                     # <linux/in.h>; the socket module has no name for it
_BYTES = 144
_UNACKED = Struct("=24xI")              # tcpi_unacked, segments
_LAST_ACK = Struct("=56xI")             # tcpi_last_ack_recv, ms
_RTT = Struct("=68xI")                  # tcpi_rtt, smoothed, µs
_TOTAL_RETRANS = Struct("=100xI")       # tcpi_total_retrans, segments
_ACKED = Struct("=120xQ")               # tcpi_bytes_acked; from Linux 4.1
_SEGS_OUT = Struct("=136xI")            # tcpi_segs_out, retransmitted ones included; from Linux 4.2


class TcpInfo(NamedTuple):
    rtt_ms: float
    retransmitted: int          # segments since it connected
    sent: int                   # the same, those sent again included
    acked: int                  # bytes that the far end has acknowledged
    silent_ms: int              # since the last acknowledgement, where something waits for one; else 0


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """None: this is no TCP connection, or the system does not tell. Of Multipath TCP it would tell about one path only, which may
    be a dead one beside others that are not."""
    if sys.platform != "linux" or sock.family == socket.AF_UNIX or sock.proto == IPPROTO_MPTCP:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES)
    except OSError:
        return None
    if len(info) < _SEGS_OUT.size:
        return None
    (rtt_us,), (retransmitted,), (sent,) = _RTT.unpack_from(info), _TOTAL_RETRANS.unpack_from(info), _SEGS_OUT.unpack_from(info)
    silent_ms = int(_LAST_ACK.unpack_from(info)[0]) if _UNACKED.unpack_from(info)[0] else 0
    return TcpInfo(rtt_us / 1000, retransmitted, sent, int(_ACKED.unpack_from(info)[0]), silent_ms)
