"""VLESS's own reverse tunnel: a portal without a domain, a bridge that dials without the router; visitors are told apart."""

from __future__ import annotations

from ipaddress import IPv4Address

from proxycore.destination import Destination, Request
from proxycore.errors import LinkDown
from proxycore.mux.codec import NEW, FrameDecoder, decode_new, encode_new
from proxycore.net.wheel import Wheel
from proxycore.reverse import dialect
from proxycore.reverse.bridge import Bridge
from proxycore.reverse.portal import Portal
from proxycore.stream import Buffer, Stream
from tests.support.loop import ManualLoop
from tests.support.streams import RecordingDispatcher, RecordingPackets, RecordingStream

WEB = Destination("tcp", IPv4Address("127.0.0.1"), 80)
DNS = Destination("udp", IPv4Address("127.0.0.1"), 53)
VISITOR, DOOR = ("198.51.100.7", 5000), ("203.0.113.1", 443)
VISIT = Request(WEB, "external", VISITOR, DOOR, "visitor", 1)


class World:
    """A portal, and bridges that reach it by `dial`, without any protocol between them."""

    def __init__(self) -> None:
        self.loop, self.wheel = ManualLoop(), Wheel()
        self.portal = Portal("home", None, self.loop, self.wheel, dialect.XRAY_25_9, tells_addresses=True)  # type: ignore[arg-type]
        self.dispatcher = RecordingDispatcher()
        self.bridge = Bridge(
            "r-in", "v1.rvs.cool", self.dispatcher, self.loop, self.wheel,  # type: ignore[arg-type]
            user="home@example.org", level=2, open_carrier=self.dial)
        self.dials = 0

    def dial(self, carrier: Stream) -> None:
        self.dials += 1
        self.portal.register(Request(self.bridge.origin.destination, "interconn", ("192.0.2.9", 4000)), carrier)

    def up(self) -> World:
        self.bridge.start()
        self.loop.turn()
        return self


def test_a_bridge_dials_by_itself_and_asks_no_router() -> None:
    world = World().up()
    assert world.dials == 1
    assert world.dispatcher.requests == []
    assert world.bridge.links[0].dialect == "reverse"


def test_a_visitor_arrives_with_its_addresses_and_as_the_outbounds_user() -> None:
    world = World().up()
    visitor = RecordingStream()
    world.portal.open(VISIT, visitor)
    visitor.peer.write(b"GET /")
    world.loop.turn()
    assert world.dispatcher.requests == [Request(WEB, "r-in", VISITOR, DOOR, "home@example.org", 2)]
    target = world.dispatcher.streams[0]
    assert target.take() == b"GET /"
    target.peer.write(b"200")
    world.loop.turn()
    assert visitor.take() == b"200"


def test_datagrams_do_too_and_a_visitor_without_addresses_comes_without() -> None:
    world = World().up()
    world.portal.open_packets(VISIT._replace(destination=DNS), RecordingPackets())
    world.portal.open(VISIT._replace(local=None), RecordingStream())
    world.loop.turn()
    assert world.dispatcher.requests == [
        Request(DNS, "r-in", VISITOR, DOOR, "home@example.org", 2), Request(WEB, "r-in", None, None, "home@example.org", 2)]


def test_a_visitor_who_came_before_the_bridge_is_told_too() -> None:
    world = World()
    world.portal.open(VISIT, RecordingStream())
    world.up()
    assert [request.source for request in world.dispatcher.requests] == [VISITOR]


def test_no_request_is_a_carrier_here() -> None:
    world = World()
    stream = RecordingStream()
    world.portal.open(Request(Destination("tcp", "v1.rvs.cool", 0), "external"), stream)
    assert world.portal.links == []


def test_addresses_that_cannot_be_end_the_carrier() -> None:
    world = World().up()
    carrier = world.bridge.links[0].carrier
    carrier.write(encode_new(9, WEB, b"", b"\x07"))
    assert carrier.ended
    assert world.dispatcher.requests == []


def test_a_bridge_of_a_reverse_section_takes_no_notice_of_them() -> None:
    loop, dispatcher = ManualLoop(), RecordingDispatcher()
    bridge = Bridge("bridge", "portal.example", dispatcher, loop, Wheel())      # type: ignore[arg-type]
    bridge.start()
    bridge.links[0].carrier.write(encode_new(9, WEB, b"", b"\x07\x08"))
    assert dispatcher.requests[1:] == [Request(WEB, "bridge")]


def test_a_portal_of_a_reverse_section_tells_nothing() -> None:
    frames: list[bytes] = []

    class Carrier(RecordingStream):
        def write(self, data: Buffer) -> None:
            FrameDecoder(lambda number, status, option, extra: frames.append(bytes(extra)) if status == NEW else None).feed(data)

    loop = ManualLoop()
    portal = Portal("portal", "portal.example", loop, Wheel())                  # type: ignore[arg-type]
    portal.register(Request(Destination("tcp", "portal.example", 0), "interconn"), Carrier())
    portal.open(VISIT, RecordingStream())
    loop.turn()
    assert [decode_new(extra)[1] for extra in frames] == [b"", b""]


def test_a_carrier_that_cannot_be_made_is_tried_again() -> None:
    world = World()
    dial, failures = world.dial, 2

    def fails_twice(carrier: Stream) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            carrier.abort(LinkDown("refused"))
        else:
            dial(carrier)

    world.bridge._open_carrier = fails_twice
    world.bridge.start()
    world.loop.advance(3)
    assert world.dials == 1
    assert len(world.bridge.active) == 1
