"""A request waits for its first bytes, is routed by what they say, and nothing is lost or late."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from proxycore.destination import Destination, Request
from proxycore.errors import DialError
from proxycore.routing.addresses import parse_address
from proxycore.routing.domains import parse_domain
from proxycore.sniff.dispatching import SniffingDispatcher
from proxycore.sniff.policy import SniffPolicy
from proxycore.sniff.sniffer import MAX_SNIFFED_BYTES, MAX_SNIFFED_PACKETS
from proxycore.wire.answered import AnsweredStream
from tests.proxycore.sniff.hellos import PAYLOAD_BYTES, RFC_FRAME, RFC_HELLO, crypto, initial, records
from tests.support.loop import ManualLoop
from tests.support.streams import RecordingDispatcher, RecordingPackets, RecordingStream

IP = ip_address("192.0.2.1")
WEB = Request(Destination("tcp", IP, 443), "in")
QUIC = Request(Destination("udp", IP, 443), "in")
TLS = records(RFC_HELLO)
HTTP = b"GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n"
INITIAL = initial(1, RFC_FRAME.ljust(PAYLOAD_BYTES, b"\x00"))
ALL = SniffPolicy(["http", "tls", "quic"])


class World:
    def __init__(self, policy: SniffPolicy = ALL) -> None:
        self.loop = ManualLoop()
        self.inner = RecordingDispatcher()
        self.dispatcher = SniffingDispatcher(self.inner, policy, self.loop)

    def stream(self, request: Request = WEB) -> RecordingStream:
        client = RecordingStream()
        self.dispatcher.dispatch(request, client)
        return client

    def packets(self, request: Request = QUIC) -> RecordingPackets:
        client = RecordingPackets()
        self.dispatcher.dispatch_packets(request, client)
        return client

    @property
    def routed(self) -> Request:
        (request,) = self.inner.requests
        return request


@pytest.mark.parametrize(("data", "protocol"), [(TLS, "tls"), (HTTP, "http1")])
@pytest.mark.parametrize("step", [1, 7, 4096], ids=["byte by byte", "odd cuts", "one read"])
def test_the_name_becomes_the_destination_however_it_is_cut(data: bytes, protocol: str, step: int) -> None:
    world = World()
    client = world.stream()
    for start in range(0, len(data), step):
        client.peer.write(data[start : start + step])
    assert world.routed.destination == Destination("tcp", "example.com", 443)
    assert world.routed.protocol == protocol
    assert world.inner.streams[0].take() == data
    assert client.peer is world.inner.streams[0]


def test_attributes_of_http_are_for_the_rules() -> None:
    world = World()
    world.stream().peer.write(HTTP)
    assert world.routed.attributes == {"host": "example.com", ":method": "GET", ":path": "/a"}


def test_with_route_only_the_destination_stays_and_the_rules_see_the_name() -> None:
    world = World(SniffPolicy(["tls"], route_only=True))
    world.stream().peer.write(TLS)
    assert (world.routed.destination, world.routed.route_domain) == (WEB.destination, "example.com")


def test_a_protocol_without_override_is_for_the_rules_only() -> None:
    world = World(SniffPolicy(["http"]))
    world.stream().peer.write(TLS)
    assert world.routed == WEB._replace(protocol="tls")


@pytest.mark.parametrize("policy", [
    SniffPolicy(["tls"], [parse_domain("domain:EXAMPLE.com")]), SniffPolicy(["tls"], (), [parse_address("192.0.2.0/24")]),
], ids=["by domain", "by address"])  # fmt: skip
def test_what_is_excluded_keeps_its_destination(policy: SniffPolicy) -> None:
    world = World(policy)
    world.stream().peer.write(TLS)
    assert world.routed == WEB._replace(protocol="tls")


def test_policies_are_equal_where_they_do_the_same() -> None:
    assert SniffPolicy(["tls", "tls"], [parse_domain("a")]) == SniffPolicy(["tls"], [parse_domain("a")])
    assert SniffPolicy(["tls"]) != SniffPolicy(["tls"], route_only=True)


def test_a_name_that_is_an_address_is_one() -> None:
    world = World()
    world.stream().peer.write(b"GET / HTTP/1.1\r\nHost: 198.51.100.7:8080\r\n\r\n")
    assert world.routed.destination == Destination("tcp", ip_address("198.51.100.7"), 443)


def test_unknown_bytes_are_routed_at_once_as_they_are() -> None:
    world = World()
    client = world.stream()
    client.peer.write(b"SSH-2.0-client\r\n")
    assert world.routed == WEB
    assert world.inner.streams[0].take() == b"SSH-2.0-client\r\n"


def test_a_client_that_does_not_speak_first_waits_a_fifth_of_a_second() -> None:
    world = World()
    client = world.stream()
    world.loop.advance(0.19)
    assert world.inner.requests == []
    world.loop.advance(0.02)
    assert world.routed == WEB
    assert client.peer is world.inner.streams[0]


def test_half_a_hello_waits_no_longer() -> None:
    world = World()
    client = world.stream()
    client.peer.write(TLS[:20])
    world.loop.advance(0.15)
    client.peer.write(TLS[20:30])
    world.loop.advance(0.06)
    assert world.routed == WEB
    assert world.inner.streams[0].take() == TLS[:30]


def test_a_head_without_end_is_given_up_at_the_bound() -> None:
    world = World()
    client = world.stream()
    client.peer.write(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + b"x" * (MAX_SNIFFED_BYTES - 40))
    assert world.inner.requests == []
    client.peer.write(b"x" * 40)
    assert world.routed == WEB


def test_a_client_that_has_sent_everything_is_not_waited_for() -> None:
    world = World()
    client = world.stream()
    client.peer.write(b"GE")
    client.peer.write_eof()
    assert world.routed == WEB
    assert (world.inner.streams[0].take(), world.inner.streams[0].eof) == (b"GE", True)


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_client_that_leaves_without_a_byte_is_never_routed(end: str) -> None:
    world = World()
    client = world.stream()
    client.peer.close() if end == "close" else client.peer.abort(None)
    world.loop.advance(1)
    assert world.inner.requests == []


def test_after_the_decision_time_does_nothing() -> None:
    world = World()
    world.stream().peer.write(TLS)
    world.loop.advance(1)
    assert len(world.inner.requests) == 1


def test_a_client_that_waits_for_success_is_told_at_once() -> None:
    world = World()
    client = RecordingStream()
    answered = AnsweredStream(client, b"success", lambda error: b"refused")
    world.dispatcher.dispatch(WEB, answered)
    answered.settle()
    assert client.take() == b"success"
    client.peer.write(TLS)
    assert world.inner.streams[0].take() == TLS
    assert (client.peer, world.inner.streams[0].peer) == (world.inner.streams[0], client)
    client.peer.peer.abort(DialError("example.com", "refused"))
    assert (client.aborted, bytes(client.data)) == (True, b"")


def test_a_request_that_was_read_already_is_not_sniffed() -> None:
    world = World()
    world.stream(WEB._replace(protocol="http/1.1"))
    assert world.routed == WEB._replace(protocol="http/1.1")


# datagrams


def test_the_name_of_a_quic_flow_becomes_its_destination() -> None:
    world = World()
    world.packets().peer.write_packet(INITIAL, None)
    assert world.routed.destination == Destination("udp", "example.com", 443)
    assert world.routed.protocol == "quic"
    assert world.inner.flows[0].packets == [(INITIAL, None)]


def test_a_client_of_an_overridden_flow_goes_on_talking_to_the_address_it_knows() -> None:
    world = World()
    client = world.packets()
    client.peer.write_packet(INITIAL, QUIC.destination)
    other = Destination("udp", IP, 53)
    client.peer.write_packet(b"to another", other)
    far = world.inner.flows[0]
    assert far.packets == [(INITIAL, None), (b"to another", other)]
    far.peer.write_packet(b"answer", Destination("udp", ip_address("203.0.113.9"), 443))
    far.peer.write_packet(b"from another", other)
    assert client.packets == [(b"answer", None), (b"from another", other)]
    client.peer.close()
    assert far.closed
    far.peer.close()
    assert client.closed


def test_a_hello_in_two_datagrams_is_waited_for() -> None:
    world = World()
    client = world.packets()
    pieces = [crypto(0, RFC_HELLO[:50]), crypto(50, RFC_HELLO[50:])]
    first, second = (initial(1, piece.ljust(PAYLOAD_BYTES, b"\x00"), number) for number, piece in enumerate(pieces))
    client.peer.write_packet(first, None)
    assert world.inner.requests == []
    client.peer.write_packet(second, None)
    assert world.routed.destination.host == "example.com"
    assert world.inner.flows[0].packets == [(first, None), (second, None)]


def test_other_datagrams_are_routed_at_once() -> None:
    world = World()
    client = world.packets()
    client.peer.write_packet(b"\x12\x34\x01\x00\x00\x01", None)
    assert world.routed == QUIC
    assert client.peer is world.inner.flows[0]


def test_a_flow_without_a_name_waits_for_its_time_or_its_bound() -> None:
    world = World()
    half = initial(1, crypto(0, RFC_HELLO[:50]) + bytes(50))
    world.packets().peer.write_packet(half, None)
    world.loop.advance(0.21)
    assert world.inner.requests == [QUIC]
    client = world.packets()
    for _ in range(MAX_SNIFFED_PACKETS):
        client.peer.write_packet(half, None)
    assert world.inner.requests == [QUIC, QUIC]
    assert len(world.inner.flows[1].packets) == MAX_SNIFFED_PACKETS


def test_a_flow_that_ends_while_it_waits_is_never_routed() -> None:
    world = World()
    client = world.packets()
    client.peer.close()
    world.loop.advance(1)
    assert world.inner.requests == []
