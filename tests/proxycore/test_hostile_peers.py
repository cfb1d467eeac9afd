"""Whatever the two neighbours of a protocol or a transport do, and in whatever order: nothing raises, nobody is written to after
its end, and nothing is told twice.

The far ends here do what a stream may do, with bytes that are nearly right: pieces of real handshakes, cut, repeated and changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination, Request
from proxycore.net.resolve import Strategy
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import InboundContext, OutboundContext
from proxycore.protocols.http.inbound import HttpInbound
from proxycore.protocols.http.outbound import HttpOutbound
from proxycore.protocols.http.settings import HttpInboundSettings, HttpOutboundSettings
from proxycore.protocols.socks.inbound import SocksInbound
from proxycore.protocols.socks.outbound import SocksOutbound
from proxycore.protocols.socks.settings import SocksInboundSettings, SocksOutboundSettings
from proxycore.protocols.vless.inbound import VlessInbound
from proxycore.protocols.vless.outbound import VlessOutbound
from proxycore.protocols.vless.settings import VlessInboundSettings, VlessOutboundSettings
from proxycore.protocols.vmess.inbound import VmessInbound
from proxycore.protocols.vmess.outbound import VmessOutbound
from proxycore.protocols.vmess.settings import VmessInboundSettings, VmessOutboundSettings
from proxycore.stream import NULL_STREAM, PacketStream, Stream
from proxycore.transport.http_settings import HttpUpgradeSettings, RawHeader, WebSocketSettings
from proxycore.transport.httpupgrade import HttpUpgradeClient, HttpUpgradeServer
from proxycore.transport.proxy_protocol import ProxyProtocolServer
from proxycore.transport.raw_http_header import RawHeaderClient, RawHeaderServer
from proxycore.transport.websocket import WebSocketClient, WebSocketServer
from tests.proxycore.transport.test_layers import tls_layers
from tests.support.documents import UUID
from tests.support.streams import RecordingDispatcher, RecordingPackets, RecordingStream
from tests.support.vmess_client import request as vmess_request

SOURCE, LOCAL = ("198.51.100.9", 40000), ("192.0.2.1", 1080)
TARGET = Destination("tcp", "example.org", 443)
ID = bytes.fromhex(UUID.replace("-", ""))
UPGRADE = (b"GET /p HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
PIECES = [
    b"\x05\x01\x00", b"\x05\x01\x02\x01\x01a\x01b", b"\x05\x01\x00\x03\x0bexample.org\x01\xbb", b"\x05\x03\x00\x01\0\0\0\0\0\0",
    b"\x04\x01\x00\x50\x00\x00\x00\x01u\x00example.org\x00", b"\x05\x00", b"\x05\x02\x01\x00",
    b"\x05\x00\x00\x01\x7f\0\0\x01\0\x50",
    b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", b"GET http://example.org/a HTTP/1.1\r\nProxy-Connection: keep-alive\r\n\r\n",
    b"POST http://example.org/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"\0" + ID + b"\0\x01\x01\xbb\x02\x0bexample.org", b"\0" + ID + b"\0\x02\x00\x35\x01\x01\x01\x01\x01\0\x02hi", b"\0\0",
    b"\0" + ID + b"\0\x03", b"\0" + ID + b"\0\x04", UPGRADE, b"\x82\x03abc",
    b"\x82\x83\1\2\3\4abc", b"\x88\x82\1\2\3\4\2\xea", b"\x89\0",
    b"\x8a\x80\1\2\3\4", b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\1\2\3\4\5\6\7\x08\0\x09\0\x0a",
    b"\x16\x03\x01\x00\x05\x01\0\0\x01\0", b"\x15\x03\x03\0\x02\x01\0", b"\r\n", b"\0" * 40, b"\xff" * 300,
]
OPTIONS = ["write", "near eof", "near end", "near abort", "near pause", "near resume", "far write", "far eof", "far end",
           "far abort", "far pause", "far resume", "far connected", "time"]
Step = tuple[str, "bytes | str", int]
STEPS = st.lists(st.tuples(
    st.sampled_from(["write"] * 6 + OPTIONS),
    st.one_of(st.sampled_from(PIECES), st.sampled_from(["vmess"]), st.binary(max_size=40)),
    st.integers(0, 400)), max_size=14)


class Case:
    """One thing under test between `lower`, its socket, and those whom it has been joined to by what `fars` gives."""

    def __init__(self, wheel: Wheel, lower: RecordingStream, fars: Callable[[], list[Any]]) -> None:
        self.wheel = wheel
        self.lower = lower
        self.fars = fars
        self.has_lower_ended = False
        self.ended: set[int] = set()

    def step(self, what: str, piece: bytes | str, number: int) -> None:
        data = vmess_request()[1] if isinstance(piece, str) else piece
        data = data[: number or None] if number < 200 else data
        peer = self.lower.peer
        if what == "time":
            for _ in range(number // 4 + 1):
                self.wheel.turn()
        elif not what.startswith("far"):
            if self.lower.ended or self.has_lower_ended:
                return
            if what == "write":
                peer.write(data)
            elif what == "near eof":
                peer.write_eof()
            elif what in ("near end", "near abort"):
                self.has_lower_ended = True
                self.lower.closed = True        # a write to it fails the test from now on
                peer.close() if what == "near end" else peer.abort(None)
            else:
                peer.pause() if what == "near pause" else peer.resume()
        else:
            self._far(what, data, number)

    def _far(self, what: str, data: bytes, number: int) -> None:
        fars = self.fars()
        far = fars[number % len(fars)] if fars else None
        if far is None or far.peer is NULL_STREAM or id(far) in self.ended or getattr(far, "aborted", False) or far.closed:
            return
        if isinstance(far, RecordingPackets):
            if what == "far write" and data:
                far.peer.write_packet(data, None if number % 2 else Destination("udp", "example.org", 53))
            elif what in ("far end", "far abort"):
                self.ended.add(id(far))
                far.peer.close()
            return
        if what == "far write":
            far.peer.write(data)
        elif what == "far eof":
            far.peer.write_eof()
        elif what in ("far end", "far abort"):
            self.ended.add(id(far))
            peer, far.closed = far.peer, True
            peer.close() if what == "far end" else peer.abort(None)
        elif what == "far connected":
            far.peer.on_connected()
        else:
            far.peer.pause() if what == "far pause" else far.peer.resume()


def inbound(build: Callable[[InboundContext], Any]) -> Case:
    wheel, dispatcher, lower = Wheel(), RecordingDispatcher(), RecordingStream()
    extra: list[RecordingStream] = []

    def join(tag: str, request: Request, stream: Stream) -> None:
        far = RecordingStream()
        far.peer, stream.peer = stream, far
        extra.append(far)

    def dial(destination: object, strategy: Strategy = Strategy.AS_IS, **_: object) -> Stream:
        far = RecordingStream()
        extra.append(far)
        return far

    context = InboundContext(
        "in", "inbounds[0]", dispatcher, wheel, time.time, 1080, join_tunnel=join, dial=dial, dial_unix=dial)
    build(context).accept(lower, SOURCE, LOCAL)
    return Case(wheel, lower, lambda: [*dispatcher.streams, *dispatcher.flows, *extra])


def outbound(build: Callable[[OutboundContext], Any], *, is_packets: bool = False) -> Case:
    wheel, lower = Wheel(), RecordingStream()

    def dial(destination: Destination, strategy: Strategy = Strategy.AS_IS, **_: object) -> Stream:
        return lower

    def open_udp(default: Destination, strategy: Strategy = Strategy.AS_IS, **_: object) -> PacketStream:
        return RecordingPackets()

    built = build(OutboundContext("out", "outbounds[0]", dial, open_udp, wheel, lambda: 1_795_462_674.5))
    if is_packets:
        packets = RecordingPackets()
        built.open_packets(Request(Destination("udp", "example.org", 53), "in"), packets)
        return Case(wheel, lower, lambda: [packets])
    client = RecordingStream()
    built.open(Request(TARGET, "in", SOURCE, LOCAL), client)
    return Case(wheel, lower, lambda: [client])


def server_layer(build: Callable[[Wheel], Any]) -> Case:
    wheel, lower = Wheel(), RecordingStream()
    fars: list[RecordingStream] = []

    def take(upper: Stream, source: object, local: object) -> None:
        far = RecordingStream()
        far.peer, upper.peer = upper, far
        fars.append(far)

    build(wheel).accept(lower, SOURCE, LOCAL, take)
    return Case(wheel, lower, lambda: list(fars))


def client_layer(build: Callable[[Wheel], Any]) -> Case:
    wheel, lower, far = Wheel(), RecordingStream(), RecordingStream()
    upper = build(wheel).wrap(lower, TARGET)
    far.peer, upper.peer = upper, far
    return Case(wheel, lower, lambda: [far])


VLESS = {"decryption": "none", "clients": [{"id": UUID}, {
    "id": "27848739-7e62-4138-9fd3-098a63964b6b", "reverse": {"tag": "home"}}], "fallbacks": [{"dest": 80}]}
SERVER = {"address": "192.0.2.9", "port": 1080}
USER = {"id": UUID, "encryption": "none", "security": "aes-128-gcm"}
VNEXT = {"vnext": [{"address": "192.0.2.9", "port": 443, "users": [USER]}]}
VMESS = {"clients": [{"id": UUID}]}
SOCKS_OUT = SocksOutboundSettings.model_validate({"servers": [SERVER]})
CASES: dict[str, Callable[[], Case]] = {
    "socks": lambda: inbound(lambda around: SocksInbound(SocksInboundSettings.model_validate({"udp": True}), around)),
    "http": lambda: inbound(lambda around: HttpInbound(HttpInboundSettings.model_validate({"allowTransparent": True}), around)),
    "vmess": lambda: inbound(lambda around: VmessInbound(VmessInboundSettings.model_validate(VMESS), around)),
    "vless": lambda: inbound(lambda around: VlessInbound(VlessInboundSettings.model_validate(VLESS), around)),
    "socks out": lambda: outbound(lambda around: SocksOutbound(SOCKS_OUT, around)),
    "socks out udp": lambda: outbound(
        lambda around: SocksOutbound(SOCKS_OUT, around), is_packets=True),
    "http out": lambda: outbound(lambda around: HttpOutbound(HttpOutboundSettings.model_validate({"servers": [SERVER]}), around)),
    "vmess out": lambda: outbound(lambda around: VmessOutbound(VmessOutboundSettings.model_validate(VNEXT), around)),
    "vmess out udp": lambda: outbound(
        lambda around: VmessOutbound(VmessOutboundSettings.model_validate(VNEXT), around), is_packets=True),
    "vless out": lambda: outbound(lambda around: VlessOutbound(VlessOutboundSettings.model_validate(VNEXT), around)),
    "vless out udp": lambda: outbound(
        lambda around: VlessOutbound(VlessOutboundSettings.model_validate(VNEXT), around), is_packets=True),
    "tls": lambda: server_layer(lambda wheel: tls_layers(wheel)[1]),
    "ws": lambda: server_layer(lambda wheel: WebSocketServer(WebSocketSettings(path="/p", heartbeat_period=3), wheel)),
    "httpupgrade": lambda: server_layer(lambda wheel: HttpUpgradeServer(HttpUpgradeSettings(path="/p"), wheel)),
    "raw header": lambda: server_layer(lambda wheel: RawHeaderServer(RawHeader(), wheel, Random(1), lambda: 0.0)),
    "PROXY": lambda: server_layer(ProxyProtocolServer),
    "tls client": lambda: client_layer(lambda wheel: tls_layers(wheel)[0]),
    "ws client": lambda: client_layer(lambda wheel: WebSocketClient(WebSocketSettings(path="/p", heartbeat_period=3), wheel)),
    "ws client early": lambda: client_layer(lambda wheel: WebSocketClient(WebSocketSettings(path="/p?ed=100"), wheel)),
    "httpupgrade client": lambda: client_layer(lambda wheel: HttpUpgradeClient(HttpUpgradeSettings(path="/p"), wheel)),
    "raw header client": lambda: client_layer(lambda wheel: RawHeaderClient(RawHeader(), wheel, Random(1))),
}


@pytest.mark.fuzz
@pytest.mark.parametrize("name", CASES)
@given(steps=STEPS)
def test_nothing_that_its_neighbours_do_raises(name: str, steps: list[Step]) -> None:
    asyncio.run(play(name, steps))


async def play(name: str, steps: list[Step]) -> None:
    case = CASES[name]()
    for what, piece, number in steps:
        if number % 3:
            await asyncio.sleep(0)      # what waits for the next turn of the loop
        case.step(what, piece, number)
    await asyncio.sleep(0)
    for _ in range(700):                # every deadline passes
        case.wheel.turn()
