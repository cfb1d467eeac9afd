"""The PROXY protocol as the lowest layer of an inbound: the header is required, and then this layer only hands on."""

from __future__ import annotations

from proxycore.destination import HostPort
from proxycore.errors import PeerError
from proxycore.net.wheel import Wheel
from proxycore.stream import Buffer, Stream
from proxycore.transport.base import Then
from proxycore.transport.face import UpperFace
from proxycore.transport.proxy_protocol_codec import ProxyHeaderReader

HEADER_S = 10.0


class ProxyProtocolServer:
    """The layer of one inbound."""

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel

    def accept(self, lower: Stream, source: HostPort, local: HostPort, then: Then) -> None:
        _Face(lower, self._wheel, source, local, then)


class _Face(UpperFace):
    __slots__ = ("_local", "_reader", "_source", "_then")

    handshake = "PROXY protocol header"

    def __init__(self, lower: Stream, wheel: Wheel, source: HostPort, local: HostPort, then: Then) -> None:
        self._reader = ProxyHeaderReader()
        self._source = source
        self._local = local
        self._then = then
        super().__init__(lower, wheel, HEADER_S)

    def _on_data(self, data: Buffer) -> None:
        if self.is_ready:
            self.peer.write(data)
            return
        try:
            proxied = self._reader.feed(data)
        except PeerError as error:
            self.fail(error)
            return
        if proxied is None:
            return
        self._ready()
        self._then(self, proxied.source or self._source, proxied.local or self._local)
        if self._reader.rest and not self.is_over:
            rest, self._reader.rest = self._reader.rest, b""
            self.peer.write(rest)
