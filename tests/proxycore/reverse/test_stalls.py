"""Other cores' carriers, on which one slow session holds up all others. Time is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proxycore.messages.events import Event, Kind
from proxycore.mux.codec import KEEP, NEW, encode_end, encode_new, keep_head
from proxycore.mux.session import SESSION_BUFFER_BYTES
from proxycore.net.wheel import Wheel
from proxycore.news import News
from proxycore.reverse import control, dialect
from proxycore.reverse.bridge import MAX_HELD_UP, Bridge
from proxycore.reverse.portal import SETTLE_S, Portal
from proxycore.reverse.stalls import CONGESTED_S, STALL_S
from proxycore.reverse.waiting import CARRIER_WAIT_S
from proxycore.stream import Stream
from tests.proxycore.reverse.test_bridge import GREETING, WEB
from tests.proxycore.reverse.test_tunnel import DOMAIN, PUBLIC, Frames
from tests.support.loop import ManualLoop
from tests.support.streams import RecordingDispatcher, RecordingStream

PIECE = 32 * 1024


class Public:
    """A portal, bridges of other cores that the test plays, and clients."""

    def __init__(self, stall_s: float = STALL_S) -> None:
        self.loop = ManualLoop()
        wheel = Wheel(self.loop)
        self.clients: list[RecordingStream] = []
        self.events: list[Event] = []
        news = News(wheel)
        news.listener = self.events.append
        self.portal = Portal("portal", DOMAIN, self.loop, wheel, dialect.V2RAY, news=news, stall_s=stall_s)
        self.bridge = self.bridge_comes()
        self.loop.advance(SETTLE_S)

    def end(self) -> None:
        """Everybody leaves, or what waits for them would count as the process's."""
        for client in self.clients:
            client.peer.abort(None)
        self.portal.stop()

    def bridge_comes(self) -> Frames:
        bridge = Frames(self.portal)
        self.loop.turn()
        return bridge

    def client(self) -> RecordingStream:
        client = RecordingStream()
        self.clients.append(client)
        self.portal.open(PUBLIC, client)
        self.loop.turn()
        return client

    def stalled(self) -> RecordingStream:
        """A client that stops reading while its target sends: the carrier is not read any more."""
        client = self.client()
        client.peer.pause()
        number = self.bridge.frames[-1][0]
        for _ in range(SESSION_BUFFER_BYTES // PIECE + 1):
            self.bridge.peer.write(keep_head(4, number, KEEP, 1, PIECE) + bytes(PIECE))
        assert self.portal.links[0].carrier.stalled_at is not None
        return client

    @property
    def told(self) -> list[str]:
        return [event.text for event in self.events if event.kind is Kind.STALLED]


@pytest.fixture
def public() -> Iterator[Public]:
    public = Public()
    yield public
    public.end()


def test_a_bridge_whose_carrier_is_held_up_is_asked_for_another_one(public: Public) -> None:
    public.stalled()
    public.loop.advance(CONGESTED_S / 2)
    assert public.bridge.states() == [control.ACTIVE]
    public.loop.advance(CONGESTED_S)
    assert public.bridge.states()[-1] == control.DRAIN


def test_a_carrier_that_is_held_up_for_a_moment_is_kept(public: Public) -> None:
    client = public.stalled()
    public.loop.advance(CONGESTED_S / 2)
    client.peer.resume()
    public.loop.advance(CONGESTED_S)
    assert set(public.bridge.states()) == {control.ACTIVE}


def test_nobody_is_asked_where_there_is_another_carrier(public: Public) -> None:
    other = public.bridge_comes()
    public.stalled()
    public.loop.advance(1)
    assert set(public.bridge.states()) == {control.ACTIVE}
    for _ in range(10):
        public.client()
    assert sum(status == NEW for _, status, _, _ in other.frames) == 1 + 10


def test_clients_wait_for_the_other_carrier_and_take_the_held_up_one_if_none_comes(public: Public) -> None:
    public.stalled()
    public.loop.advance(1)
    before = len(public.bridge.frames)
    public.client()
    assert public.portal.waiting == 1
    public.loop.advance(1)
    other = public.bridge_comes()
    assert public.portal.waiting == 0
    assert sum(status == NEW for _, status, _, _ in other.frames) == 2
    other.peer.write_eof()
    late = public.client()
    public.loop.advance(CARRIER_WAIT_S + 1)
    assert not late.ended
    assert len(public.bridge.frames) > before


def test_a_session_that_holds_up_others_for_long_is_ended_and_that_is_told(public: Public) -> None:
    innocent = public.client()
    client = public.stalled()
    public.loop.advance(STALL_S - 3)
    assert not client.ended
    public.loop.advance(6)
    assert client.aborted
    assert not innocent.ended
    assert public.told == ["session 3 was ended: its reader stood still for 10 s, and held up 1 others"]
    assert public.portal.links[0].carrier.stalled_at is None


def test_a_session_that_holds_up_nobody_may_take_its_time(public: Public) -> None:
    client = public.stalled()
    public.loop.advance(50)
    assert not client.ended
    assert public.told == []


def test_it_can_be_switched_off() -> None:
    public = Public(stall_s=0)
    public.client()
    client = public.stalled()
    public.loop.advance(50)
    assert not client.ended
    public.end()


class Private:
    """A bridge in front of portals of another core, which the test plays."""

    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.dispatcher = RecordingDispatcher()
        self.bridge = Bridge("bridge", "portal.example", self.dispatcher, self.loop, Wheel(self.loop))
        self.bridge.start()
        self.greet()

    @property
    def dials(self) -> int:
        return sum(request.destination.host == "portal.example" for request in self.dispatcher.requests)

    def greet(self) -> Stream:
        """The portal takes the carrier that was dialled last, and opens a session on it."""
        carrier = self.bridge.links[-1].carrier
        carrier.write(GREETING + encode_new(2, WEB))
        self.loop.turn()
        return carrier

    def pass_time(self, seconds: float) -> None:
        """... in which the portal answers probes."""
        for _ in range(int(seconds / 0.5)):
            self.loop.advance(0.5)
            for link in self.bridge.links:
                if link.is_up:
                    link.carrier.write(encode_end(0))


def test_a_bridge_opens_another_carrier_as_soon_as_one_is_not_read() -> None:
    private = Private()
    private.bridge.links[-1].carrier.pause()
    private.loop.advance(2 * CONGESTED_S)
    assert private.dials == 2


def test_a_carrier_that_was_free_meanwhile_is_looked_at_again() -> None:
    private = Private()
    carrier = private.bridge.links[-1].carrier
    carrier.pause()
    private.loop.advance(CONGESTED_S * 0.9)
    carrier.resume()
    carrier.pause()
    private.loop.advance(CONGESTED_S * 0.9)
    assert private.dials == 1
    private.loop.advance(CONGESTED_S * 2)
    assert private.dials == 2


def test_a_carrier_that_is_full_for_a_moment_is_no_reason() -> None:
    private = Private()
    carrier = private.bridge.links[-1].carrier
    for _ in range(20):
        carrier.pause()
        private.loop.advance(CONGESTED_S / 2)
        carrier.resume()
    private.loop.advance(1)
    assert private.dials == 1


def test_carriers_that_are_opened_for_this_are_few() -> None:
    private = Private()
    for _ in range(10):
        private.bridge.links[-1].carrier.pause()
        private.loop.advance(2 * CONGESTED_S)
        if not private.bridge.links[-1].is_up:
            private.greet()
    assert private.dials == MAX_HELD_UP


@pytest.mark.parametrize(("sessions", "is_closed"), [(1, False), (2, True)])
def test_a_carrier_that_takes_nothing_for_long_is_closed_if_that_holds_up_anybody(sessions: int, is_closed: bool) -> None:
    private = Private()
    carrier = private.bridge.links[0].carrier
    for number in range(3, 2 + sessions):
        carrier.write(encode_new(number, WEB))
    carrier.pause()
    private.pass_time(STALL_S + 4)
    assert carrier.ended is is_closed
