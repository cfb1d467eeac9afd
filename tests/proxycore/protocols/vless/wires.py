"""A VLESS client and server joined by a wire in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxycore.destination import Destination, Request
from proxycore.net.resolve import Strategy
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import InboundContext, OutboundContext
from proxycore.protocols.vless.inbound import VlessInbound
from proxycore.protocols.vless.outbound import VlessOutbound
from proxycore.protocols.vless.settings import VlessInboundSettings, VlessOutboundSettings
from proxycore.stream import PacketStream, Stream
from tests.proxycore.protocols.vmess.wires import Wire
from tests.support.streams import RecordingDispatcher, RecordingStream

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"
USER_ID = bytes.fromhex("5783a3e7e37351cd8642c83782b807c5")
TUNNEL_UUID = "27848739-7e62-4138-9fd3-098a63964b6b"
SERVER = Destination("tcp", "vless.example.org", 443)
CLIENT = ("192.0.2.7", 50000)
LISTENER = ("192.0.2.1", 443)


class Server:
    """A VlessInbound, and what it gave away: to the dispatcher, to tunnels, to fallbacks."""

    def __init__(self, *clients: dict[str, Any], **settings: Any) -> None:
        self.wheel = Wheel()
        self.dispatcher = RecordingDispatcher()
        self.joined: list[tuple[str, Request, RecordingStream]] = []
        self.dialled: list[tuple[Destination | str, RecordingStream]] = []       # text: a unix socket
        document = {"decryption": "none", **settings, "clients": list(clients) or [
            {"id": UUID, "email": "alice", "level": 2}, {"id": TUNNEL_UUID, "email": "bridge", "reverse": {"tag": "home"}}]}
        self.inbound = VlessInbound(VlessInboundSettings.model_validate(document), InboundContext(
            "in", "inbounds[0]", self.dispatcher, self.wheel, lambda: 0.0, join_tunnel=self._join, dial=self._dial,
            dial_unix=self._dial_unix))

    def accept(self, stream: Stream) -> None:
        self.inbound.accept(stream, CLIENT, LISTENER)

    def turn(self, seconds: int) -> None:
        for _ in range(seconds):
            self.wheel.turn()

    def _join(self, tag: str, request: Request, stream: Stream) -> None:
        far = RecordingStream()
        far.peer, stream.peer = stream, far
        self.joined.append((tag, request, far))

    def _dial(self, destination: Destination, strategy: Strategy = Strategy.AS_IS) -> Stream:
        far = RecordingStream()
        self.dialled.append((destination, far))
        return far

    def _dial_unix(self, name: str) -> Stream:
        far = RecordingStream()
        self.dialled.append((name, far))
        return far


def _no_udp(default: Destination, strategy: Strategy = Strategy.AS_IS, *, hides_source: bool = False) -> PacketStream:
    raise AssertionError("VLESS sends datagrams in a stream")


class Client:
    """A VlessOutbound whose dials are wires to `server`, or to nobody."""

    def __init__(self, server: Server | None = None, *, cut: int = 0, **flat: Any) -> None:
        self.wires: list[Wire] = []
        self.dialled: list[Destination] = []
        self.kept: list[tuple[Request, Callable[[Stream], None]]] = []
        self._server = server
        self._cut = cut
        document = {"address": SERVER.host, "port": SERVER.port, "id": UUID, "encryption": "none", **flat}
        self.outbound = VlessOutbound(VlessOutboundSettings.model_validate(document), OutboundContext(
            "out", "outbounds[0]", self._dial, _no_udp, Wheel(), lambda: 0.0,
            keep_tunnel=lambda origin, open_carrier: self.kept.append((origin, open_carrier))))

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
