"""Other cores' carriers, on which one slow session holds up all others. Time is moved by hand."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from proxycore.messages.events import Event, Kind
from proxycore.mux.carrier import CARRIER_BUFFER_BYTES
from proxycore.mux.codec import KEEP, NEW, encode_end, encode_new, encode_packet, keep_head
from proxycore.mux.session import SESSION_BUFFER_BYTES
from proxycore.net.tcp_info import tcp_info
from proxycore.net.wheel import Wheel
from proxycore.news import News
from proxycore.reverse import control, dialect
from proxycore.reverse.bridge import FREE_CARRIERS, MAX_ATTEMPTS, MAX_HELD_UP, TICK_S, Bridge
from proxycore.reverse.portal import DRAIN_AFTER_SESSIONS, DRAIN_ANSWER_S, FOUND_S, SETTLE_S, SPARES, Portal
from proxycore.reverse.stalls import CONGESTED_S, STALL_S
from proxycore.reverse.waiting import CARRIER_WAIT_S
from proxycore.stream import Stream
from tests.proxycore.reverse.test_bridge import GREETING, WEB
from tests.proxycore.reverse.test_tunnel import DOMAIN, PUBLIC, Frames
from tests.support.loop import ManualLoop
from tests.support.processes import until
from tests.support.streams import RecordingDispatcher, RecordingStream

PIECE = 32 * 1024


class Public:
    """A portal, bridges of other cores that the test plays, and clients."""

    def __init__(self, stall_s: float = STALL_S, *, is_guessed: bool = False) -> None:
        self.loop = ManualLoop()
        wheel = Wheel(self.loop)
        self.clients: list[RecordingStream] = []
        self.events: list[Event] = []
        news = News(wheel)
        news.listener = self.events.append
        known = None if is_guessed else dialect.V2RAY
        self.portal = Portal("portal", DOMAIN, self.loop, wheel, known, news=news, stall_s=stall_s)
        self.bridges: list[Frames] = []
        self.bridge = self.bridge_comes()
        self.loop.advance(SETTLE_S)

    def end(self) -> None:
        """Everybody leaves, or what waits for them would count as the process's."""
        for client in self.clients:
            client.peer.abort(None)
        self.portal.stop()

    def bridge_comes(self) -> Frames:
        bridge = Frames(self.portal)
        self.bridges.append(bridge)
        self.loop.turn()
        return bridge

    def client(self) -> RecordingStream:
        client = RecordingStream()
        self.clients.append(client)
        self.portal.open(PUBLIC, client)
        self.loop.turn()
        return client

    def stalled(self, link: int = 0) -> RecordingStream:
        """A client that stops reading while its target sends: the carrier is not read any more."""
        client = self.client()
        client.peer.pause()
        number = self.bridge.frames[-1][0]
        for _ in range(SESSION_BUFFER_BYTES // PIECE + 1):
            self.bridge.peer.write(keep_head(4, number, KEEP, 1, PIECE) + bytes(PIECE))
        assert self.portal.links[link].carrier.stalled_at is not None
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


def test_a_session_whose_target_is_done_holds_up_the_one_other_no_longer_either(public: Public) -> None:
    other = public.client()
    slow = public.stalled()
    public.bridge.peer.write(encode_end(public.bridge.frames[-1][0]))
    public.loop.advance(STALL_S + 2 * TICK_S)
    assert slow.aborted
    assert not other.ended
    assert public.portal.links[0].carrier.stalled_at is None


def test_many_sessions_whose_targets_are_done_hold_up_others_no_longer_either(public: Public) -> None:
    other = public.client()
    slow = [public.client() for _ in range(CARRIER_BUFFER_BYTES // SESSION_BUFFER_BYTES + 1)]
    for client, number in zip(slow, sorted({frame[0] for frame in public.bridge.frames})[-len(slow):], strict=True):
        client.peer.pause()
        for _ in range(SESSION_BUFFER_BYTES // PIECE):
            public.bridge.peer.write(keep_head(4, number, KEEP, 1, PIECE) + bytes(PIECE))
        public.bridge.peer.write(encode_end(number))
    carrier = public.portal.links[0].carrier
    assert carrier.stalled_at is not None
    public.loop.advance(STALL_S + len(slow) * TICK_S)
    assert carrier.stalled_at is None
    assert not other.ended
    assert 0 < sum(client.aborted for client in slow) < len(slow)


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


def spare_bridges(public: Public, seconds: int = 20) -> list[Frames]:
    """Its carriers that are open after so long, where a bridge answers each DRAIN with another one."""
    for _ in range(seconds):
        public.loop.advance(1)
        if public.bridges[-1].states()[-1] == control.DRAIN:
            public.bridge_comes()
    return [bridge for bridge in public.bridges if not bridge.is_closed]


def test_spares_are_kept_of_a_bridge_that_understands_a_drain(public: Public) -> None:
    bridges = spare_bridges(public, 60)
    assert len(bridges) == 1 + SPARES
    assert [link.is_draining for link in public.portal.links] == [True] * SPARES + [False]
    public.client()
    assert bridges[-1].frames[-1][1] == NEW
    bridges[0].peer.write_eof()                                     # one is lost
    assert len(spare_bridges(public)) == 1 + SPARES


def test_only_the_newest_spares_are_kept(public: Public) -> None:
    spare_bridges(public)
    for _ in range(DRAIN_AFTER_SESSIONS + 1):
        public.client().peer.abort(None)
    public.loop.advance(TICK_S * 2)
    public.bridge_comes()
    public.loop.advance(60)
    assert [bridge.is_closed for bridge in public.bridges] == [True, False, False, False]


def test_a_spare_serves_from_the_moment_at_which_a_carrier_is_held_up(public: Public) -> None:
    bridges = spare_bridges(public)
    public.bridge = bridges[-1]
    public.stalled(2)
    public.client()
    assert [bridge.frames[-1][1] for bridge in bridges[:-1]].count(NEW) == 1
    assert public.portal.waiting == 0


def found() -> Public:
    """The bridge refuses two names."""
    public = Public(is_guessed=True)
    for number in (1, 2):
        public.bridge.peer.write(encode_end(number))
        public.loop.turn()
    assert public.bridge.control_names()[-1] == dialect.V2RAY
    return public


def test_a_bridge_that_refused_other_names_is_asked_for_a_spare_after_a_while() -> None:
    public = found()
    public.loop.advance(FOUND_S - TICK_S)
    assert public.bridge.states(3)[-1] == control.ACTIVE
    public.loop.advance(TICK_S * 2)
    assert public.bridge.states(3)[-1] == control.DRAIN
    second = public.bridge_comes()
    public.loop.advance(SETTLE_S + TICK_S)
    assert second.states()[-1] == control.DRAIN         # which it understands, so it is asked for another one soon
    public.end()


def test_where_none_comes_all_is_as_before() -> None:
    public = found()
    public.loop.advance(FOUND_S + TICK_S)
    assert public.portal.links[0].is_draining
    public.loop.advance(DRAIN_ANSWER_S + TICK_S)
    assert not public.portal.links[0].is_draining
    assert public.bridge.control_names()[-2:] == [dialect.V2RAY, dialect.V2RAY]
    public.loop.advance(60)
    assert public.bridge.states(4)[-1] == control.ACTIVE        # it is not asked again
    assert public.portal._memory.first_guess("") == dialect.V2RAY
    assert not public.bridge.is_closed
    public.end()


def test_no_spare_is_asked_for_where_the_name_is_a_guess() -> None:
    public = Public(is_guessed=True)
    public.loop.advance(60)
    assert public.bridge.states()[-1] == control.ACTIVE
    public.end()


def test_a_bridge_that_is_held_up_before_its_dialect_is_known_is_asked_by_all_names_that_it_has_not_refused() -> None:
    public = Public(is_guessed=True)
    public.bridge.peer.write(encode_end(1))
    public.loop.turn()
    public.stalled()
    public.loop.advance(CONGESTED_S * 2)
    assert public.bridge.control_names()[2:] == [dialect.V2FLY, dialect.V2RAY, dialect.XRAY_1]
    assert public.bridge.states(2) == [control.ACTIVE]          # of a session that it may have ended it hears no more
    number = max(frame[0] for frame in public.bridge.frames)
    for session_id in range(number - 2, number + 1):
        assert public.bridge.states(session_id) == [control.DRAIN]
    second = public.bridge_comes()
    assert second.control_names() == [dialect.V2FLY]            # which of them it was nobody knows
    public.loop.advance(DRAIN_ANSWER_S + TICK_S)
    assert public.portal._memory.first_guess("") == dialect.V2FLY
    public.end()


def test_a_bridge_that_does_not_read_has_not_misunderstood_a_drain() -> None:
    public = Public(is_guessed=True)
    carrier = public.portal.links[0].carrier
    for _ in range(DRAIN_AFTER_SESSIONS + 1):
        public.client().peer.abort(None)
    public.loop.advance(TICK_S)
    assert public.portal.links[0].is_draining
    carrier.pause()
    public.loop.advance(DRAIN_ANSWER_S + TICK_S)
    assert public.portal._memory.first_guess("") == dialect.XRAY_25_9
    carrier.resume()
    public.loop.advance(DRAIN_ANSWER_S + TICK_S)
    assert public.portal._memory.first_guess("") == dialect.V2FLY
    public.end()


class Private:
    """A bridge in front of portals of another core, which the test plays."""

    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.dispatcher = RecordingDispatcher()
        wheel = Wheel(self.loop)
        self.events: list[Event] = []
        news = News(wheel)
        news.listener = self.events.append
        self.bridge = Bridge("bridge", "portal.example", self.dispatcher, self.loop, wheel, news=news)
        self.bridge.start()
        self.greet()

    @property
    def told(self) -> list[str]:
        return [event.text for event in self.events if event.kind is Kind.STALLED]

    @property
    def dials(self) -> int:
        return sum(request.destination.host == "portal.example" for request in self.dispatcher.requests)

    def greet(self) -> Stream:
        """The portal takes the carrier that was dialled last, and opens a session on it."""
        carrier = self.bridge.links[-1].carrier
        carrier.write(GREETING + encode_new(2, WEB))
        self.loop.turn()
        return carrier

    def greet_all(self) -> None:
        for link in tuple(self.bridge.links):
            if not link.is_up:
                link.carrier.write(GREETING)

    def pass_time(self, seconds: float) -> None:
        """... in which the portal answers probes."""
        for _ in range(int(seconds / 0.5)):
            self.loop.advance(0.5)
            for link in self.bridge.links:
                if link.is_up:
                    link.carrier.write(encode_end(0))


def test_a_bridge_opens_other_carriers_as_soon_as_one_is_not_read() -> None:
    private = Private()
    private.bridge.links[-1].carrier.pause()
    private.loop.advance(2 * CONGESTED_S)
    assert private.dials == 1 + MAX_ATTEMPTS
    private.greet_all()
    private.loop.advance(TICK_S)
    assert private.dials == 1 + FREE_CARRIERS


def test_one_that_the_portal_drains_meanwhile_is_replaced_at_once() -> None:
    private = Private()
    private.bridge.links[0].carrier.pause()
    private.loop.advance(2 * CONGESTED_S)
    private.greet_all()
    private.greet_all()
    for number, link in enumerate(private.bridge.links[1:4], 1):
        link.carrier.write(encode_packet(1, control.encode_control(control.DRAIN, b"x"), None))
        assert private.dials == 1 + FREE_CARRIERS + number


def test_one_that_is_lost_meanwhile_is_dialled_again_only_after_pauses() -> None:
    private = Private()
    private.bridge.links[0].carrier.pause()
    private.loop.advance(2 * CONGESTED_S)
    for _ in range(100):                    # the portal cannot be reached any more
        for link in private.bridge.links[1:]:
            link.carrier.write_eof()
        private.loop.advance(0.1)
    assert private.dials < 1 + MAX_ATTEMPTS + 15


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
    assert private.dials > 1


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
    for _ in range(50):
        private.greet_all()
        for link in private.bridge.links:
            link.carrier.pause()
        private.loop.advance(2 * CONGESTED_S)
    assert MAX_HELD_UP < private.dials <= MAX_HELD_UP + FREE_CARRIERS


def test_a_portal_that_reads_slowly_is_no_reason() -> None:
    private = Private()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
        private.dispatcher.streams[0].sock = sock
        private.bridge.links[0].carrier.pause()
        for _ in range(20):
            before = tcp_info(sock)
            assert before is not None
            sock.send(b"x")
            until("it is acknowledged", lambda before=before: tcp_info(sock).acked > before.acked, 20)
            private.loop.advance(CONGESTED_S / 4)
        assert private.dials == 1
        private.loop.advance(CONGESTED_S * 3)
        assert private.dials > 1


def test_a_carrier_that_the_portal_does_not_read_is_left_to_it_and_that_is_told() -> None:
    private = Private()
    carrier = private.bridge.links[0].carrier
    carrier.write(encode_new(3, WEB))
    carrier.pause()
    private.pass_time(STALL_S + 10)
    assert not carrier.ended
    assert private.told == ["a carrier with 2 sessions stands still: nothing was taken of it for 10 s"]
    carrier.resume()
    private.pass_time(TICK_S)
    carrier.pause()
    private.pass_time(STALL_S + 10)
    assert len(private.told) == 2
