"""Routes again under another inbound tag. The cores loop for ever where rules lead back; here passes are counted."""

from __future__ import annotations

from proxycore.destination import Request
from proxycore.errors import LinkDown
from proxycore.protocols.base import Dispatcher, Outbound, OutboundContext
from proxycore.protocols.loopback.settings import LoopbackSettings
from proxycore.stream import NULL_PACKETS, NULL_STREAM, PacketStream, Stream

MAX_PASSES = 8
"""Of one request through loopbacks; the rules have most likely made a circle."""


class LoopbackOutbound(Outbound):
    is_metered = True           # by the outbound that it leads to

    def __init__(self, settings: LoopbackSettings, context: OutboundContext) -> None:
        assert context.dispatcher is not None
        self.tag = context.tag
        self._dispatcher: Dispatcher = context.dispatcher
        self._inbound_tag = settings.inbound_tag

    def open(self, request: Request, stream: Stream) -> None:
        if request.passes >= MAX_PASSES:
            stream.peer = NULL_STREAM
            stream.abort(LinkDown(f"went through loopbacks {MAX_PASSES} times: the rules make a circle"))
            return
        self._dispatcher.dispatch(self._again(request), stream)

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        if request.passes >= MAX_PASSES:
            packets.peer = NULL_PACKETS
            packets.close()
            return
        self._dispatcher.dispatch_packets(self._again(request), packets)

    def _again(self, request: Request) -> Request:
        return request._replace(inbound_tag=self._inbound_tag, passes=request.passes + 1, resolved=None)
