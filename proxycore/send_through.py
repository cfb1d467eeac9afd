"""`sendThrough` of an outbound: the local address that its sockets come from.

Source: Xray-core app/proxyman/outbound/handler.go (SetOutboundGateway, ParseRandomIP).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from proxycore.destination import HostPort, Request, unmapped
from proxycore.protocols.base import Outbound, Wrapping
from proxycore.stream import PacketStream, Stream

ORIGIN = "origin"
"""The address that the client connected to."""

SOURCE = "srcip"
"""The client's own address."""

_ANY_ADDRESS = ("", "0.0.0.0", "::")


def read_send_through(text: str) -> str:
    """As documents write it; empty: the system's choice. Raises ValueError."""
    text = text.strip()
    if text in _ANY_ADDRESS:
        return ""
    if text.lower() in (ORIGIN, SOURCE):
        return text.lower()
    try:
        return str(ip_network(text, strict=False)) if "/" in text else str(ip_address(text))
    except ValueError:
        raise ValueError('an IP address of this host, a range of them, "origin" or "srcip" is expected') from None


class LocalAddress:
    """`fixed`: always the same one; empty: `pick` says which. Those of a request are known while its outbound opens it."""

    __slots__ = ("_network", "_randrange", "_request", "_wants_source", "fixed", "of_request")

    def __init__(self, text: str) -> None:
        """`text` as `read_send_through` returns it, and not empty."""
        self._network: IPv4Network | IPv6Network | None = None
        if "/" in text:
            from random import SystemRandom  # few documents have one

            self._network = ip_network(text)
            self._randrange: Callable[[int], int] = SystemRandom().randrange
        self.of_request = text in (ORIGIN, SOURCE)
        self._wants_source = text == SOURCE
        self.fixed = "" if self.of_request or self._network is not None else text
        self._request: Request | None = None

    def pick(self) -> str:
        """For one socket. Empty: the system's choice."""
        if self._network is not None:
            return str(self._network[self._randrange(self._network.num_addresses)])
        if self._request is None:
            return self.fixed
        return _ip_of(self._request.source if self._wants_source else self._request.local)

    @contextmanager
    def during(self, request: Request) -> Iterator[None]:
        """What is picked meanwhile is for `request`."""
        self._request = request
        try:
            yield
        finally:
            self._request = None


def _ip_of(address: HostPort | None) -> str:
    """Empty: it has none that a socket could come from."""
    try:
        text = str(unmapped(ip_address(address[0]))) if address is not None else ""
    except ValueError:          # that of a unix socket
        return ""
    return "" if text in _ANY_ADDRESS else text


class SendingThrough(Wrapping):
    """Sockets that `inner` opens at once for a request come from the address that `address` picks for that."""

    def __init__(self, inner: Outbound, address: LocalAddress) -> None:
        super().__init__(inner)
        self._address = address

    def open(self, request: Request, stream: Stream) -> None:
        with self._address.during(request):
            self._inner.open(request, stream)

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        with self._address.during(request):
            self._inner.open_packets(request, packets)
