"""The dialling side: SOCKS 5. Names are not resolved here; the server is waited for before anything else is sent."""

from __future__ import annotations

from collections.abc import Callable

from proxycore.destination import Destination, Request, parse_host
from proxycore.errors import PeerError
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import Outbound, OutboundContext
from proxycore.protocols.socks.codec import ClientDecoder, Command, decode_datagram, encode_datagram
from proxycore.protocols.socks.settings import SocksOutboundSettings
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, NullStream, PacketStream, Stream
from proxycore.wire.negotiated import Negotiation

MAX_WAITING_BYTES = 64 * 1024
"""Datagrams kept until the server has told where they go; more are dropped."""

TOUCH_S = 60.0
"""How often it is looked at whether datagrams keep the association alive."""


class SocksOutbound(Outbound):
    """One configured SOCKS client."""

    def __init__(self, settings: SocksOutboundSettings, context: OutboundContext) -> None:
        self.tag = context.tag
        self._context = context
        server = settings.server
        self._server = Destination("tcp", parse_host(server.address), server.port)
        self._login = server.login

    def open(self, request: Request, stream: Stream) -> None:
        stream.peer = NULL_STREAM
        try:
            codec = ClientDecoder(Command.CONNECT, request.destination, self._login)
        except PeerError as error:
            stream.abort(error)
            return
        Negotiation(self._context.dial(self._server), stream, codec, self._context.wheel)

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        codec = ClientDecoder(Command.ASSOCIATE, None, self._login)
        flow = OutFlow(request.destination, packets, lambda: self._relay(codec), self._context.open_udp, self._context.wheel)
        packets.peer = flow
        Negotiation(self._context.dial(self._server), flow.control, codec, self._context.wheel)

    def _relay(self, codec: ClientDecoder) -> Destination:
        """Where the server takes datagrams."""
        bound = codec.bound
        assert bound is not None
        if isinstance(bound.host, str) or bound.host.is_unspecified:
            return Destination("udp", self._server.host, bound.port)
        return bound


class OutFlow(PacketStream):
    """A flow of datagrams on its way out: the peer of the client's flow."""

    __slots__ = ("_destination", "_is_over", "_mark", "_open_udp", "_packets", "_room_bytes", "_udp", "_waiting", "_wheel",
                 "_where", "control", "relay", "wheel_slot")

    def __init__(self, destination: Destination, packets: PacketStream, where: Callable[[], Destination],
                 open_udp: Callable[[Destination], PacketStream], wheel: Wheel) -> None:
        self.peer = packets
        self.control = Control(self)
        self.relay: Destination | None = None
        self.wheel_slot = -1
        self._destination = destination
        self._where = where
        self._open_udp = open_udp
        self._udp: PacketStream | None = None       # None: not connected yet
        self._waiting: list[bytes] = []
        self._room_bytes = MAX_WAITING_BYTES
        self._packets = 0           # both ways
        self._mark = 0
        self._wheel = wheel
        self._is_over = False

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        if self._is_over:
            return
        try:
            datagram = encode_datagram(self._destination if address is None else address, data)
        except PeerError:
            return
        self._packets += 1
        if self._udp is not None:
            self._udp.write_packet(datagram, None)
        elif len(datagram) <= self._room_bytes:
            self._room_bytes -= len(datagram)
            self._waiting.append(datagram)

    def close(self) -> None:
        """The client's side is over."""
        if self._is_over:
            return
        self._is_over = True
        self._wheel.forget(self)
        self.peer = NULL_PACKETS
        self._waiting.clear()
        control = self.control.peer
        self.control.peer = NULL_STREAM
        control.close()
        if self._udp is not None:
            self._udp.peer = NULL_PACKETS
            self._udp.close()

    def on_associated(self) -> None:
        if self._is_over or self._udp is not None:
            return
        self.relay = self._where()
        udp = self._udp = self._open_udp(self.relay)
        udp.peer = Answers(self)
        self._wheel.watch(self, TOUCH_S)
        waiting, self._waiting = self._waiting, []
        for datagram in waiting:
            udp.write_packet(datagram, None)

    def received(self, data: Buffer, source: Destination | None) -> None:
        """A datagram from outside; only the server's are taken, as far as its address is known."""
        relay = self.relay
        if self._is_over or (source is not None and relay is not None and not isinstance(relay.host, str) and source != relay):
            return
        try:
            address, at = decode_datagram(data)
        except PeerError:
            return
        self._packets += 1
        self.peer.write_packet(memoryview(data)[at:], address)

    def lost(self) -> None:
        """The server, or the socket, ended the flow."""
        peer = self.peer
        self.close()
        peer.close()

    def on_watch(self) -> float | None:
        if self._packets != self._mark:
            self._mark = self._packets
            self.control.peer.touch()
        return TOUCH_S


class Answers(PacketStream):
    """The peer of the socket that carries the datagrams."""

    __slots__ = ("_flow",)

    def __init__(self, flow: OutFlow) -> None:
        self._flow = flow

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        self._flow.received(data, address)

    def close(self) -> None:
        self._flow.lost()


class Control(NullStream):
    """The peer of the TCP connection that the association lives by."""

    __slots__ = ("_flow",)

    def __init__(self, flow: OutFlow) -> None:
        self.peer: Stream = NULL_STREAM
        self._flow = flow

    def on_connected(self) -> None:
        self._flow.on_associated()

    def write_eof(self) -> None:
        self._flow.lost()

    def close(self) -> None:
        self._flow.lost()

    def abort(self, error: Exception | None) -> None:
        self._flow.lost()
