"""Where a connection was going before the system sent it here: a REDIRECT or TPROXY rule of Linux.

Source: Xray-core transport/internet/tcp/sockopt_linux.go, app/proxyman/inbound/worker.go.
"""

from __future__ import annotations

import socket
import struct

from proxycore.destination import HostPort

_SO_ORIGINAL_DST = 80           # <linux/netfilter_ipv4.h>; the same number for IPv6
_V4 = struct.Struct("!2xH4s8x")             # struct sockaddr_in
_V6 = struct.Struct("!2xH4x16s4x")          # struct sockaddr_in6


def redirected_from(sock: socket.socket) -> HostPort | None:
    """The target that REDIRECT replaced; None: the connection was not redirected, or the system does not say."""
    is_v4 = sock.family == socket.AF_INET or str(sock.getpeername()[0]).startswith("::ffff:")
    form, level = (_V4, socket.SOL_IP) if is_v4 else (_V6, socket.IPPROTO_IPV6)
    try:
        data = sock.getsockopt(level, _SO_ORIGINAL_DST, form.size)
    except OSError:
        return None
    return read_address(data)


def read_address(data: bytes) -> HostPort | None:
    """A sockaddr_in or sockaddr_in6 of the kernel."""
    if len(data) == _V4.size:
        port, packed = _V4.unpack(data)
        return socket.inet_ntop(socket.AF_INET, packed), port
    if len(data) == _V6.size:
        port, packed = _V6.unpack(data)
        return socket.inet_ntop(socket.AF_INET6, packed).removeprefix("::ffff:"), port
    return None
