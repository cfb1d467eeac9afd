"""A freedom outbound on streams that only remember, on a loop and a wheel that are moved by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from proxycore.destination import Destination, HostPort, IPAddress, Request, parse_host
from proxycore.errors import DialError
from proxycore.net.resolve import Resolve, Strategy
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import OutboundContext
from proxycore.protocols.freedom.outbound import FreedomOutbound
from proxycore.protocols.freedom.settings import FreedomSettings
from proxycore.stream import PacketStream, Stream
from tests.support.loop import ManualLoop
from tests.support.streams import RecordingPackets, RecordingStream

SOURCE = ("192.0.2.7", 4096)
NAMES: Mapping[str, tuple[str, ...]] = {
    "inside.example": ("10.0.0.1",), "outside.example": ("8.8.8.8", "2001:4860::1"), "both.example": ("10.0.0.1", "8.8.8.8"),
}


async def look_up(host: str, strategy: Strategy = Strategy.AS_IS) -> Sequence[IPAddress]:
    if host not in NAMES:
        raise DialError(host, "there is no such name")
    return [ip_address(one) for one in NAMES[host]]


class Out(RecordingStream):
    """A stream that is still connecting."""

    def __init__(self, address: HostPort | None) -> None:
        super().__init__()
        self.is_open = False
        self.remote_address = address

    @property
    def is_connecting(self) -> bool:
        return not self.is_open

    def connect(self) -> None:
        self.is_open = True
        self.peer.on_connected()


class Client(RecordingStream):
    def __init__(self) -> None:
        super().__init__()
        self.is_told = False

    def on_connected(self) -> None:
        self.is_told = True


class Way:
    def __init__(self, kinds: Mapping[str, str] | None = None, **settings: Any) -> None:
        self.loop = ManualLoop()
        self.wheel = Wheel()
        self.dialled: list[tuple[Destination, Out]] = []
        self.flows: list[tuple[Destination, RecordingPackets]] = []
        self.resolvers: list[Resolve | None] = []
        self.outbound = FreedomOutbound(FreedomSettings.model_validate(settings), OutboundContext(
            "out", "outbounds[0]", self._dial, self._open_udp, self.wheel, lambda: 0.0, loop=self.loop, resolve=look_up,
            inbound_kinds=kinds or {}))

    def open(self, to: str, port: int = 443, tag: str = "in", source: HostPort | None = SOURCE) -> Client:
        client = Client()
        self.outbound.open(Request(Destination("tcp", parse_host(to), port), tag, source), client)
        return client

    def open_packets(self, to: str, port: int = 443, tag: str = "in") -> RecordingPackets:
        client = RecordingPackets()
        self.outbound.open_packets(Request(Destination("udp", parse_host(to), port), tag, SOURCE), client)
        return client

    @property
    def out(self) -> Out:
        return self.dialled[-1][1]

    @property
    def flow(self) -> RecordingPackets:
        return self.flows[-1][1]

    def turn(self, seconds: int) -> None:
        for _ in range(seconds):
            self.wheel.turn()

    def _dial(
        self, destination: Destination, strategy: Strategy = Strategy.AS_IS, *, resolve: Resolve | None = None
    ) -> Stream:
        out = Out(None if isinstance(destination.host, str) else (str(destination.host), destination.port))
        self.dialled.append((destination, out))
        self.resolvers.append(resolve)
        return out

    def _open_udp(
        self, default: Destination, strategy: Strategy = Strategy.AS_IS, *, hides_source: bool = False,
        resolve: Resolve | None = None,
    ) -> PacketStream:
        flow = RecordingPackets()
        self.flows.append((default, flow))
        self.resolvers.append(resolve)
        return flow
