"""Datagrams that a TPROXY rule of Linux sent here: where each was going, and answers that come from there.

Source: Xray-core transport/internet/udp/hub_linux.go, proxy/dokodemo/fakeudp_linux.go.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from proxycore.destination import Destination, HostPort, unmapped
from proxycore.net.original_destination import read_address
from proxycore.stream import Buffer

IP_TRANSPARENT = 19             # <linux/in.h>
IPV6_TRANSPARENT = 75           # <linux/in6.h>
RECVORIGDSTADDR = 20            # <linux/in.h>; also the kind of what comes beside a datagram
IPV6_RECVORIGDSTADDR = 74       # <linux/in6.h>; the same
ANCILLARY_BYTES = socket.CMSG_SPACE(28)         # a sockaddr_in6

MAX_SENDERS = 256
"""Addresses that answers come from, one socket each; then the one that was used the longest ago is closed."""


def ask_for_targets(sock: socket.socket) -> None:
    """Take datagrams for any address, and be told for which. Raises OSError."""
    sock.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
    sock.setsockopt(socket.SOL_IP, RECVORIGDSTADDR, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1)


def target_of(ancillary: Sequence[tuple[int, int, bytes]]) -> HostPort | None:
    """Where a datagram was going, by what came beside it."""
    for level, kind, data in ancillary:
        if (level, kind) in ((socket.SOL_IP, RECVORIGDSTADDR), (socket.IPPROTO_IPV6, IPV6_RECVORIGDSTADDR)):
            return read_address(data)
    return None


def as_destination(address: HostPort) -> Destination:
    return Destination("udp", unmapped(ip_address(address[0])), address[1])


class Senders:
    """Sockets that send from addresses which are not ours."""

    def __init__(self, prepare: Callable[[socket.socket], None]) -> None:
        """`prepare` sets the options of a new socket; raises OSError."""
        self._prepare = prepare
        self._socks: dict[Destination, socket.socket] = {}

    def send(self, data: Buffer, source: Destination, address: tuple[str, int]) -> None:
        """Send to the client `address` as if `source` had sent it. Raises OSError."""
        sock = self._socks.pop(source, None) or self._open(source)
        self._socks[source] = sock
        sock.sendto(data, (address[0].removeprefix("::ffff:"), address[1]))

    def close(self) -> None:
        for sock in self._socks.values():
            sock.close()
        self._socks.clear()

    def _open(self, source: Destination) -> socket.socket:
        if len(self._socks) >= MAX_SENDERS:
            self._socks.pop(next(iter(self._socks))).close()
        host = str(source.host)
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
            else:
                sock.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
            self._prepare(sock)
            sock.bind((host, source.port))
        except BaseException:
            sock.close()
            raise
        return sock
