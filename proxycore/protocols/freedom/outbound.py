"""The dialling side. One attempt per address, and a refused one is told at once (the cores try for a second)."""

from __future__ import annotations

from proxycore.destination import Destination, Request
from proxycore.protocols.base import Outbound, OutboundContext, Strategy
from proxycore.protocols.freedom.settings import FreedomSettings
from proxycore.stream import PacketStream, Stream


class FreedomOutbound(Outbound):
    def __init__(self, settings: FreedomSettings, context: OutboundContext) -> None:
        self.tag = context.tag
        self._context = context
        self._strategy = Strategy(settings.strategy)
        self._redirect = settings.redirect_target      # (host or None, port or None), or None

    def open(self, request: Request, stream: Stream) -> None:
        out = self._context.dial(self._target(request.destination), self._strategy)
        out.peer, stream.peer = stream, out

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        target = self._target(request.destination)
        redirect = self._redirect is not None
        out = self._context.open_udp(target, self._strategy, hides_source=redirect)
        if redirect:
            # every datagram goes to the redirect's target, whatever its own destination
            joint = _Redirected(out, target)
            joint.peer, packets.peer = packets, joint
            out.peer = packets
            return
        out.peer, packets.peer = packets, out

    def _target(self, destination: Destination) -> Destination:
        if self._redirect is None:
            return destination
        host, port = self._redirect
        return Destination(
            destination.network,
            destination.host if host is None else host,
            destination.port if port is None else port,
        )


class _Redirected(PacketStream):
    """Drops the address of each datagram on its way out."""

    __slots__ = ("_out", "_target")

    def __init__(self, out: PacketStream, target: Destination) -> None:
        self._out = out
        self._target = target

    def write_packet(self, data: bytes | bytearray | memoryview, address: Destination | None) -> None:
        self._out.write_packet(data, None)

    def close(self) -> None:
        self._out.close()
