"""A VMess client and server joined by a wire in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from proxycore.destination import Destination
from proxycore.net.resolve import Strategy
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import InboundContext, OutboundContext
from proxycore.protocols.vmess.inbound import VmessInbound
from proxycore.protocols.vmess.outbound import VmessOutbound
from proxycore.protocols.vmess.settings import VmessInboundSettings, VmessOutboundSettings
from proxycore.stream import NULL_STREAM, Buffer, PacketStream, Stream
from tests.support.streams import RecordingDispatcher

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"
SERVER = Destination("tcp", "vmess.example.org", 443)
CLIENT = ("192.0.2.7", 50000)
LISTENER = ("192.0.2.1", 443)
NOW = 1_795_462_674.5


class Wire:
    """What two WireEnds do to each other, in order, when `run` is called; data in pieces of `cut` bytes."""

    def __init__(self, cut: int = 0) -> None:
        self.cut = cut
        self.events: deque[Callable[[], None]] = deque()
        self.near, self.far = WireEnd(self), WireEnd(self)
        self.near.other, self.far.other = self.far, self.near

    def run(self) -> None:
        while self.events:
            self.events.popleft()()


class WireEnd(Stream):
    """One end of a wire: a socket without the system."""

    other: WireEnd

    def __init__(self, wire: Wire) -> None:
        self.peer: Stream = NULL_STREAM
        self.wire = wire
        self.writes: list[bytes] = []
        self.eof = self.closed = self.aborted = self.paused = False
        self.error: Exception | None = None

    def write(self, data: Buffer) -> None:
        has_ended = self.eof or self.closed or self.aborted
        assert not has_ended, "written to after its end"
        self.writes.append(bytes(data))
        copy, step = bytearray(data), self.wire.cut or len(data) or 1
        for start in range(0, len(copy), step):
            self.wire.events.append(lambda piece=copy[start:start + step]: self._arrive(piece))   # type: ignore[misc]

    def _arrive(self, piece: bytearray) -> None:
        self.other.peer.write(memoryview(piece))
        piece[:] = b"\xee" * len(piece)         # a buffer is valid during the call only

    def write_eof(self) -> None:
        self.eof = True
        self.wire.events.append(lambda: self.other.peer.write_eof())

    def close(self) -> None:
        if not self.closed and not self.aborted:
            self.closed = True
            self.peer = NULL_STREAM
            if not self.eof:        # all that a FIN can say
                self.wire.events.append(lambda: self.other.peer.write_eof())

    def abort(self, error: Exception | None) -> None:
        if not self.aborted:
            self.aborted = True
            self.error = error
            self.peer = NULL_STREAM
            self.wire.events.append(lambda: self.other.peer.abort(None))

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Server:
    """A VmessInbound, and what it was given."""

    def __init__(self, *clients: dict[str, Any]) -> None:
        self.wheel = Wheel()
        self.clock = Clock()
        self.dispatcher = RecordingDispatcher()
        settings = VmessInboundSettings.model_validate({"clients": list(clients) or [{"id": UUID, "email": "alice", "level": 2}]})
        self.inbound = VmessInbound(settings, InboundContext("in", "inbounds[0]", self.dispatcher, self.wheel, self.clock))

    def accept(self, stream: Stream) -> None:
        self.inbound.accept(stream, CLIENT, LISTENER)

    def turn(self, seconds: int) -> None:
        for _ in range(seconds):
            self.wheel.turn()


def _no_udp(default: Destination, strategy: Strategy = Strategy.AS_IS, *, hides_source: bool = False) -> PacketStream:
    raise AssertionError("VMess sends datagrams in a stream")


class Client:
    """A VmessOutbound whose dials are wires to `server`, or to nobody."""

    def __init__(self, server: Server | None = None, *, cut: int = 0, document: dict[str, Any] | None = None,
                 **user: Any) -> None:
        self.wires: list[Wire] = []
        self.dialled: list[Destination] = []
        self._server = server
        self._cut = cut
        document = document or {"vnext": [{"address": SERVER.host, "port": SERVER.port, "users": [{"id": UUID, **user}]}]}
        clock = server.clock if server is not None else Clock()
        self.outbound = VmessOutbound(VmessOutboundSettings.model_validate(document), OutboundContext(
            "out", "outbounds[0]", self._dial, _no_udp, Wheel(), clock))

    def _dial(self, destination: Destination, strategy: Strategy = Strategy.AS_IS) -> Stream:
        wire = Wire(self._cut)
        self.wires.append(wire)
        self.dialled.append(destination)
        if self._server is not None:
            self._server.accept(wire.far)
        return wire.near

    @property
    def wire(self) -> Wire:
        return self.wires[-1]
