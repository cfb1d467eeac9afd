"""The accepting side of SOCKS, and its datagrams."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from proxycore.destination import Destination, Request
from proxycore.errors import DialError, LinkDown
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import InboundContext
from proxycore.protocols.socks.inbound import SocksInbound, refusal_code
from proxycore.protocols.socks.relay import MAX_DESTINATIONS
from proxycore.protocols.socks.settings import SocksInboundSettings
from tests.support.streams import RecordingDispatcher, RecordingPackets, RecordingStream

SOURCE, LOCAL = ("198.51.100.9", 40000), ("192.0.2.1", 1080)
TARGET = ip_address("203.0.113.5")
CONNECT = b"\x05\x01\x00" b"\x05\x01\x00\x01\xcb\x00\x71\x05\x00\x50"
ASSOCIATE = b"\x05\x01\x00" b"\x05\x03\x00\x01\0\0\0\0\0\0"
BOUND = "0001c00002010438"


class Server:
    def __init__(self, **settings: object) -> None:
        self.wheel = Wheel()
        self.dispatcher = RecordingDispatcher()
        context = InboundContext("in", "inbounds[0]", self.dispatcher, self.wheel, lambda: 0.0)
        self.inbound = SocksInbound(SocksInboundSettings.model_validate(settings), context)

    def accept(self, data: bytes = b"") -> RecordingStream:
        stream = RecordingStream()
        self.inbound.accept(stream, SOURCE, LOCAL)
        if data:
            stream.peer.write(data)
        return stream

    def packets(self, port: int = 50000) -> RecordingPackets:
        packets = RecordingPackets()
        self.inbound.accept_packets(packets, (SOURCE[0], port), LOCAL)
        return packets

    def turn(self, seconds: int) -> None:
        for _ in range(seconds):
            self.wheel.turn()


def datagram(data: bytes, port: int = 53) -> bytes:
    return b"\0\0\0\x01" + TARGET.packed + port.to_bytes(2, "big") + data


def test_a_request_is_dispatched_and_what_followed_it_handed_on() -> None:
    server = Server(userLevel=3)
    stream = server.accept(CONNECT + b"payload")
    assert server.dispatcher.requests == [Request(Destination("tcp", TARGET, 80), "in", SOURCE, LOCAL, "", 3)]
    [far] = server.dispatcher.streams
    assert stream.take().hex() == "0500" "0500" + BOUND
    assert far.take() == b"payload"
    assert stream.peer is far
    assert far.peer is stream


def test_the_user_is_told_to_the_router() -> None:
    server = Server(auth="password", accounts=[{"user": "alice", "pass": "secret"}])
    server.accept(b"\x05\x01\x02\x01\x05alice\x06secret" + CONNECT[3:])
    assert server.dispatcher.requests[0].user == "alice"


def test_a_wrong_password_is_answered_and_closed() -> None:
    server = Server(auth="password", accounts=[{"user": "alice", "pass": "secret"}])
    stream = server.accept(b"\x05\x01\x02\x01\x05alice\x05wrong" + CONNECT[3:])
    assert (stream.take().hex(), stream.closed) == ("050201ff", True)
    assert server.dispatcher.requests == []


def test_passwords_without_accounts_let_nobody_in_by_http_either() -> None:
    server = Server(auth="password")
    stream = server.accept(b"CONNECT example.org:80 HTTP/1.1\r\n\r\n")
    assert stream.closed
    assert server.dispatcher.requests == []


@pytest.mark.parametrize("step", [1, 1000])
def test_other_clients_are_taken_for_http_with_the_same_accounts(step: int) -> None:
    server = Server(auth="password", accounts=[{"user": "alice", "pass": "secret"}])
    said = b"CONNECT example.org:80 HTTP/1.1\r\nProxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\nx"
    stream = server.accept()
    for start in range(0, len(said), step):
        stream.peer.write(said[start:start + step])
    assert server.dispatcher.requests[0].destination == Destination("tcp", "example.org", 80)
    assert server.dispatcher.streams[0].take() == b"x"
    assert server.accept(b"CONNECT example.org:80 HTTP/1.1\r\n\r\n").take().startswith(b"HTTP/1.1 407 ")


def test_a_client_that_says_nothing_whole_for_a_minute_is_closed() -> None:
    server = Server()
    streams = [server.accept(), server.accept(CONNECT[:-1])]
    server.turn(59)
    assert not any(stream.closed for stream in streams)
    server.turn(2)
    assert all(stream.closed for stream in streams)


def test_a_client_that_ends_within_the_handshake_is_closed() -> None:
    server = Server()
    stream = server.accept(CONNECT[:5])
    stream.peer.write_eof()
    assert stream.closed
    assert server.dispatcher.requests == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DialError("x", "Connection refused"), 5), (DialError("x", "No route to host"), 4),
        (DialError("x", "Network is unreachable"), 3), (DialError("x", "no answer within 16 s"), 4),
        (LinkDown("no bridge"), 1), (None, 2),
    ],
)
def test_the_reason_of_a_failure_has_a_code(error: Exception | None, code: int) -> None:
    assert refusal_code(error) == code


def test_datagrams_go_to_their_destinations_and_answers_carry_their_source() -> None:
    server = Server(udp=True)
    stream = server.accept(ASSOCIATE)
    assert stream.take().hex() == "0500" "0500" + BOUND
    packets = server.packets()
    for port in (53, 54, 53):
        packets.peer.write_packet(datagram(b"ask", port), None)
    assert [request.destination.port for request in server.dispatcher.requests] == [53, 54]
    first, second = server.dispatcher.flows
    assert first.packets == [(b"ask", None)] * 2
    assert second.packets == [(b"ask", None)]
    first.peer.write_packet(b"answer", Destination("udp", TARGET, 99))
    second.peer.write_packet(b"answer", None)
    assert packets.packets == [(datagram(b"answer", 99), None), (datagram(b"answer", 54), None)]


def test_datagrams_of_somebody_without_an_association_are_dropped() -> None:
    server = Server(udp=True)
    packets = server.packets()
    assert packets.closed
    packets.peer.write_packet(datagram(b"x"), None)
    assert server.dispatcher.requests == []


def test_flows_end_with_the_last_association() -> None:
    server = Server(udp=True)
    one, other = server.accept(ASSOCIATE), server.accept(ASSOCIATE)
    packets = server.packets()
    packets.peer.write_packet(datagram(b"x"), None)
    one.peer.write_eof()
    assert one.closed
    assert not server.dispatcher.flows[0].closed
    other.peer.abort(None)
    assert server.dispatcher.flows[0].closed
    assert packets.closed
    assert server.inbound.relay.clients == {}


def test_a_client_has_a_bounded_number_of_destinations() -> None:
    server = Server(udp=True)
    server.accept(ASSOCIATE)
    packets = server.packets()
    for port in range(MAX_DESTINATIONS + 5):
        packets.peer.write_packet(datagram(b"x", port), None)
    assert len(server.dispatcher.flows) == MAX_DESTINATIONS


def test_a_silent_flow_ends_and_begins_anew() -> None:
    server = Server(udp=True)
    server.accept(ASSOCIATE)
    packets = server.packets()
    packets.peer.write_packet(datagram(b"x"), None)
    server.turn(121)
    assert server.dispatcher.flows[0].closed
    packets.peer.write_packet(datagram(b"y"), None)
    assert server.dispatcher.flows[1].packets == [(b"y", None)]


def test_a_flow_that_its_outbound_ended_begins_anew() -> None:
    server = Server(udp=True)
    server.accept(ASSOCIATE)
    packets = server.packets()
    packets.peer.write_packet(datagram(b"x"), None)
    server.dispatcher.flows[0].peer.close()
    packets.peer.write_packet(datagram(b"y"), None)
    assert server.dispatcher.flows[1].packets == [(b"y", None)]


def test_garbage_datagrams_are_dropped() -> None:
    server = Server(udp=True)
    server.accept(ASSOCIATE)
    packets = server.packets()
    for data in (b"", b"\0\0\0", b"\0\0\x01\x01abcdef", b"\0\0\0\x09abcdef"):
        packets.peer.write_packet(data, None)
    assert server.dispatcher.requests == []
