"""Ends what it is given, with the answer that its settings ask for."""

from __future__ import annotations

from proxycore.destination import Request
from proxycore.protocols.base import Outbound, OutboundContext
from proxycore.protocols.blackhole.settings import BlackholeSettings
from proxycore.stream import NULL_PACKETS, NULL_STREAM, PacketStream, Stream

FORBIDDEN = (
    b"HTTP/1.1 403 Forbidden\nConnection: close\nCache-Control: max-age=3600, public\nContent-Length: 0\n\n\n"
)
"""With bare line feeds, as the cores send it."""


class BlackholeOutbound(Outbound):
    def __init__(self, settings: BlackholeSettings, context: OutboundContext) -> None:
        self.tag = context.tag
        self._answer = FORBIDDEN if settings.answers_http else b""
        self._on_blocked = context.on_blocked

    def open(self, request: Request, stream: Stream) -> None:
        if self._on_blocked is not None:
            self._on_blocked(self.tag, request)
        stream.peer = NULL_STREAM
        if self._answer:
            stream.write(self._answer)
        stream.close()

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        if self._on_blocked is not None:
            self._on_blocked(self.tag, request)
        packets.peer = NULL_PACKETS
        packets.close()
