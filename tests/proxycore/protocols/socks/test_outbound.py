"""The dialling side of SOCKS."""

from __future__ import annotations

from ipaddress import ip_address

from proxycore.destination import Destination, Request
from proxycore.errors import AuthError, LimitError
from proxycore.net.resolve import Strategy
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import OutboundContext
from proxycore.protocols.socks.outbound import MAX_WAITING_BYTES, SocksOutbound
from proxycore.protocols.socks.settings import SocksOutboundSettings
from proxycore.stream import PacketStream, Stream
from tests.support.streams import RecordingPackets, RecordingStream

SERVER = ip_address("192.0.2.9")
TARGET = ip_address("203.0.113.5")
RELAY = Destination("udp", SERVER, 2000)
ASSOCIATED = b"\x05\x00" b"\x05\x00\x00\x01\0\0\0\0\x07\xd0"


class Control(RecordingStream):
    touched = 0

    def touch(self) -> None:
        self.touched += 1


class Client:
    def __init__(self, **user: str) -> None:
        self.wheel = Wheel()
        self.dials: list[tuple[Destination, Control]] = []
        self.flows: list[tuple[Destination, RecordingPackets]] = []
        server = {"address": str(SERVER), "port": 1080, "users": [user] if user else []}
        settings = SocksOutboundSettings.model_validate({"servers": [server]})
        self.outbound = SocksOutbound(settings, OutboundContext(
            "out", "outbounds[0]", self._dial, self._open_udp, self.wheel, lambda: 0.0))

    def _dial(self, destination: Destination, strategy: Strategy = Strategy.AS_IS) -> Stream:
        self.dials.append((destination, Control()))
        return self.dials[-1][1]

    def _open_udp(self, default: Destination, strategy: Strategy = Strategy.AS_IS, *, hides_source: bool = False) -> PacketStream:
        self.flows.append((default, RecordingPackets()))
        return self.flows[-1][1]

    def open(self, host: str) -> tuple[RecordingStream, RecordingStream]:
        stream = RecordingStream()
        self.outbound.open(Request(Destination("tcp", host, 80), "in"), stream)
        return stream, self.dials[-1][1] if self.dials else RecordingStream()

    def open_packets(self) -> tuple[RecordingPackets, Control]:
        packets = RecordingPackets()
        self.outbound.open_packets(Request(Destination("udp", TARGET, 53), "in"), packets)
        return packets, self.dials[-1][1]


def test_a_name_goes_to_the_server_as_it_is() -> None:
    client = Client(user="alice", **{"pass": "secret"})
    stream, lower = client.open("example.org")
    assert client.dials[0][0] == Destination("tcp", SERVER, 1080)
    assert lower.take() == b"\x05\x01\x02"
    lower.peer.write(b"\x05\x02")
    assert lower.take() == b"\x01\x05alice\x06secret"
    lower.peer.write(b"\x01\x00")
    assert lower.take() == b"\x05\x01\x00\x03\x0bexample.org\x00\x50"
    lower.peer.write(b"\x05\x00\x00\x01\0\0\0\0\0\0hello")
    assert stream.take() == b"hello"
    assert (stream.peer, lower.peer) == (lower, stream)


def test_a_refusal_ends_the_stream() -> None:
    stream, lower = Client().open("example.org")
    lower.peer.write(b"\x05\xff")
    assert isinstance(stream.error, AuthError)
    assert lower.aborted


def test_a_name_that_cannot_be_written_is_not_dialled() -> None:
    client = Client()
    stream, _ = client.open("a" * 300)
    assert isinstance(stream.error, LimitError)
    assert client.dials == []


def test_datagrams_wait_for_the_association_and_then_go_to_the_servers_port() -> None:
    client = Client()
    packets, control = client.open_packets()
    packets.peer.write_packet(b"one", None)
    assert control.take() == b"\x05\x01\x00"
    control.peer.write(ASSOCIATED[:2])
    assert control.take() == b"\x05\x03\x00\x01\0\0\0\0\0\0"
    assert client.flows == []
    control.peer.write(ASSOCIATED[2:])
    packets.peer.write_packet(b"two", Destination("udp", "example.org", 54))
    [(relay, flow)] = client.flows
    assert relay == RELAY           # 0.0.0.0 stands for the server itself
    assert flow.packets == [
        (b"\0\0\0\x01\xcb\x00\x71\x05\x00\x35one", None), (b"\0\0\0\x03\x0bexample.org\x00\x36two", None)]
    flow.peer.write_packet(b"\0\0\0\x01\xcb\x00\x71\x05\x00\x35answer", RELAY)
    flow.peer.write_packet(b"\0\0\0\x01\xcb\x00\x71\x05\x00\x35forged", Destination("udp", TARGET, 2000))
    flow.peer.write_packet(b"\0\0\0", RELAY)
    assert packets.packets == [(b"answer", Destination("udp", TARGET, 53))]


def test_what_waits_is_bounded() -> None:
    client = Client()
    packets, control = client.open_packets()
    for _ in range(100):
        packets.peer.write_packet(b"x" * 1024, None)
    control.peer.write(ASSOCIATED)
    assert sum(len(data) for data, _ in client.flows[0][1].packets) <= MAX_WAITING_BYTES


def test_the_flow_and_the_connection_live_and_die_together() -> None:
    for end in ("client", "server", "socket", "before"):
        client = Client()
        packets, control = client.open_packets()
        if end != "before":
            control.peer.write(ASSOCIATED)
        if end == "server":
            control.peer.write_eof()
        elif end == "socket":
            client.flows[0][1].peer.close()
        else:
            packets.peer.close()
        assert control.closed, end
        assert packets.closed == (end in ("server", "socket"))
        assert all(flow.closed for _, flow in client.flows)


def test_a_server_that_refuses_datagrams_ends_the_flow() -> None:
    packets, control = Client().open_packets()
    control.peer.write(b"\x05\x00\x05\x07\x00\x01\0\0\0\0\0\0")
    assert packets.closed
    assert control.aborted


def test_datagrams_keep_the_connection_from_being_idle() -> None:
    client = Client()
    packets, control = client.open_packets()
    control.peer.write(ASSOCIATED)
    packets.peer.write_packet(b"x", None)
    for _ in range(61):
        client.wheel.turn()
    assert control.touched == 1
    for _ in range(61):
        client.wheel.turn()
    assert control.touched == 1


