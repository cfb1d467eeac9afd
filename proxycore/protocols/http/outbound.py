"""The dialling side: CONNECT, for TCP only. (The cores wait for the client's first data; who is spoken to first hangs there.)"""

from __future__ import annotations

from proxycore.destination import Destination, Request, parse_host
from proxycore.protocols.base import Outbound, OutboundContext
from proxycore.protocols.http.codec import ConnectDecoder
from proxycore.protocols.http.settings import HttpOutboundSettings
from proxycore.stream import NULL_PACKETS, NULL_STREAM, PacketStream, Stream
from proxycore.wire.negotiated import Negotiation


class HttpOutbound(Outbound):
    """One configured HTTP proxy client."""

    def __init__(self, settings: HttpOutboundSettings, context: OutboundContext) -> None:
        self.tag = context.tag
        self._context = context
        host, port = settings.server
        self._server = Destination("tcp", parse_host(host), port)
        self._login = settings.server_login
        self._headers = [(name.encode(), value.encode()) for name, value in settings.headers.items()]

    def open(self, request: Request, stream: Stream) -> None:
        stream.peer = NULL_STREAM
        codec = ConnectDecoder(request.destination, self._login, self._headers)
        Negotiation(self._context.dial(self._server), stream, codec, self._context.wheel)

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        packets.peer = NULL_PACKETS
        packets.close()
