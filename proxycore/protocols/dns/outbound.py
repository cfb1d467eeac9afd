"""Takes streams and flows of DNS messages, whatever server they are for."""

from __future__ import annotations

from proxycore.destination import Destination, Request
from proxycore.dns.links import PacketLink, StreamLink
from proxycore.protocols.base import Outbound, OutboundContext
from proxycore.protocols.dns.conversation import Conversation
from proxycore.protocols.dns.settings import DnsSettings
from proxycore.stream import PacketStream, Stream


class DnsOutbound(Outbound):
    def __init__(self, settings: DnsSettings, context: OutboundContext) -> None:
        self.tag = context.tag
        self._settings = settings
        self._context = context

    def open(self, request: Request, stream: Stream) -> None:
        conversation = self._conversation(request)
        link = StreamLink(conversation)
        conversation.client = link
        link.peer, stream.peer = stream, link

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        conversation = self._conversation(request)
        link = PacketLink(conversation)
        conversation.client = link
        link.peer, packets.peer = packets, link

    def _conversation(self, request: Request) -> Conversation:
        settings = self._settings
        host, asked = settings.rewritten_host, request.destination
        server = Destination(
            settings.network or asked.network, asked.host if host is None else host, settings.port or asked.port)
        names = self._context.names
        is_own = names is not None and names.is_own(request)
        return Conversation(
            self._context, settings.choices, server, is_datagrams=asked.network == "udp", is_rewritten=server != asked,
            forwards_all=is_own)
