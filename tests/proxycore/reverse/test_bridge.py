"""The bridge alone, in front of a portal that a test plays."""

from __future__ import annotations

from proxycore.destination import Destination
from proxycore.mux.codec import encode_new, encode_packet
from proxycore.net.wheel import Wheel
from proxycore.reverse import control
from proxycore.reverse.bridge import DRAINED_S, RETRY_MOST_S, STEADY_S, Bridge
from tests.support.loop import ManualLoop
from tests.support.streams import RecordingDispatcher

WEB = Destination("tcp", "example.org", 80)
GREETING = encode_new(1, Destination("udp", "reverse", 0), control.encode_control(control.ACTIVE, b"x"))


class World:
    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.wheel = Wheel()
        self.dispatcher = RecordingDispatcher()
        self.bridge = Bridge("bridge", "portal.example", self.dispatcher, self.loop, self.wheel)
        self.bridge.start()

    @property
    def dials(self) -> int:
        return sum(request.destination.host == "portal.example" for request in self.dispatcher.requests)


def test_a_portal_that_greets_and_hangs_up_is_not_dialled_without_pause() -> None:
    world = World()
    for _ in range(100):
        if world.bridge.links:
            world.bridge.links[-1].carrier.write(GREETING)
            world.bridge.links[-1].carrier.write_eof()
        world.loop.advance(0.1)
    assert 4 <= world.dials <= 10       # in ten seconds


def test_a_carrier_that_was_steady_is_replaced_at_once_however_long_it_took_to_come_up() -> None:
    world = World()
    for _ in range(5):
        world.bridge.links[-1].carrier.write_eof()
        world.loop.advance(RETRY_MOST_S * 2)
    world.bridge.links[-1].carrier.write(GREETING)
    world.loop.advance(STEADY_S)
    before = world.dials
    world.bridge.links[-1].carrier.write_eof()
    world.loop.turn()
    world.loop.advance(0.01)
    assert world.dials == before + 1


def test_what_runs_on_a_drained_carrier_goes_on_for_a_day() -> None:
    world = World()
    carrier = world.bridge.links[0].carrier
    carrier.write(GREETING + encode_new(2, WEB))
    target = world.dispatcher.streams[-1]
    carrier.write(encode_packet(1, control.encode_control(control.DRAIN, b"x"), None))
    for _ in range(int(DRAINED_S) - 1):
        world.wheel.turn()
    assert not target.ended
    world.wheel.turn()
    assert target.ended
