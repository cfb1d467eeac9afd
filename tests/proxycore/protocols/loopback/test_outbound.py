"""A second way through the router."""

from __future__ import annotations

from proxycore.destination import Destination, Request
from proxycore.errors import LinkDown
from proxycore.net.resolve import Strategy
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import Dispatcher, OutboundContext
from proxycore.protocols.loopback.outbound import MAX_PASSES, LoopbackOutbound
from proxycore.protocols.loopback.settings import LoopbackSettings
from proxycore.stream import PacketStream, Stream
from tests.support.streams import RecordingDispatcher, RecordingPackets, RecordingStream

REQUEST = Request(Destination("tcp", "example.org", 80), "first", ("192.0.2.1", 1), None, "alice", 2)


def _no_dial(destination: Destination, strategy: Strategy = Strategy.AS_IS) -> Stream:
    raise AssertionError("loopback dials nothing")


def _no_udp(default: Destination, strategy: Strategy = Strategy.AS_IS, *, hides_source: bool = False) -> PacketStream:
    raise AssertionError("loopback dials nothing")


def loopback(dispatcher: Dispatcher) -> LoopbackOutbound:
    settings = LoopbackSettings.model_validate({"inboundTag": "second"})
    return LoopbackOutbound(settings, OutboundContext(
        "again", "outbounds[0]", _no_dial, _no_udp, Wheel(), lambda: 0.0, dispatcher=dispatcher))


class Circle:
    """Rules that lead back to the same loopback."""

    outbound: LoopbackOutbound
    dispatched = 0

    def dispatch(self, request: Request, stream: Stream) -> None:
        self.dispatched += 1
        self.outbound.open(request, stream)

    def dispatch_packets(self, request: Request, packets: PacketStream) -> None:
        self.dispatched += 1
        self.outbound.open_packets(request, packets)


def test_only_the_inbound_tag_changes() -> None:
    dispatcher, stream, packets = RecordingDispatcher(), RecordingStream(), RecordingPackets()
    outbound = loopback(dispatcher)
    outbound.open(REQUEST, stream)
    outbound.open_packets(REQUEST, packets)
    assert dispatcher.requests == [REQUEST._replace(inbound_tag="second", passes=1)] * 2
    assert stream.peer is dispatcher.streams[0]
    assert packets.peer is dispatcher.flows[0]


def test_a_circle_ends_the_connection() -> None:
    circle, stream, packets = Circle(), RecordingStream(), RecordingPackets()
    circle.outbound = loopback(circle)
    circle.dispatch(REQUEST, stream)
    assert isinstance(stream.error, LinkDown)
    assert circle.dispatched == MAX_PASSES + 1
    circle.dispatch_packets(REQUEST, packets)
    assert packets.closed


def test_the_second_tag_counts_as_an_inbounds() -> None:
    assert LoopbackSettings.model_validate({"inboundTag": "second"}).provides_inbound_tags() == ("second",)
