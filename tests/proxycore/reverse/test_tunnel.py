"""A portal and a bridge, joined in memory; time stands still until a test moves it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from proxycore.destination import Destination, Request
from proxycore.errors import LinkDown
from proxycore.mux.codec import END, KEEP, NEW, FrameDecoder, decode_new, encode_end, encode_new, encode_packet, keep_head
from proxycore.mux.codec_extension import PING, decode_number, encode_pong
from proxycore.net.wheel import Wheel
from proxycore.reverse import control, dialect
from proxycore.reverse.bridge import RETRY_MOST_S, WATCHDOG_S, Bridge
from proxycore.reverse.portal import DRAIN_AFTER_SESSIONS, Portal
from proxycore.reverse.waiting import CARRIER_WAIT_S, MAX_WAITING
from proxycore.stream import Buffer, PacketStream, Stream
from tests.support.loop import ManualLoop
from tests.support.streams import RecordingPackets, RecordingStream

DOMAIN = "reverse-proxy.xray.internal"
WEB = Destination("tcp", IPv4Address("127.0.0.1"), 80)
PUBLIC = Request(WEB, "external", ("198.51.100.7", 5000))


class Frames(Stream):
    """The far end of a carrier, spoken to in frames: a bridge of any core, as the portal sees it. It answers probes."""

    def __init__(self, portal: Portal, user: str = "") -> None:
        self.frames: list[tuple[int, int, bytes, bytes]] = []       # session, status, extra, payload
        self.options: dict[int, int] = {}                           # of the last frame of each session
        self.statuses: set[int] = set()
        self.is_closed = False
        self._decoder = FrameDecoder(self._on_frame)
        portal.open(Request(Destination("tcp", DOMAIN, 0), "interconn", ("203.0.113.9", 4000), user=user), self)

    is_packet = True

    def _on_frame(self, session_id: int, status: int, option: int, extra: Buffer) -> Frames | None:
        self.statuses.add(status)
        if not session_id:
            if status == KEEP:
                self.peer.write(encode_end(0))
            elif status == PING:
                self.peer.write(encode_pong(decode_number(extra)))
            return None
        self.frames.append((session_id, status, bytes(extra), b""))
        self.options[session_id] = option
        return self

    def deliver(self, data: Buffer) -> None:
        self.frames[-1] = (*self.frames[-1][:3], bytes(data))

    def write(self, data: Buffer) -> None:
        self._decoder.feed(data)

    def close(self) -> None:
        self.is_closed = True

    def abort(self, error: Exception | None) -> None:
        self.is_closed = True

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def control_names(self) -> list[str]:
        """The names by which control sessions were opened, in order."""
        opened = [decode_new(extra)[0] for _, status, extra, _ in self.frames if status == NEW]
        return [str(name.host) for name in opened if dialect.is_control(name.host)]

    def states(self, session_id: int = 1) -> list[int]:
        return [control.decode_state(data) for number, _, _, data in self.frames if number == session_id and data]


class Pipe(Stream):
    """One end of a connection: what is written to it comes out of the other end."""

    other: Pipe

    def write(self, data: Buffer) -> None:
        self.other.peer.write(bytes(data))

    def write_eof(self) -> None:
        self.other.peer.write_eof()

    def close(self) -> None:
        self.other.peer.write_eof()

    def abort(self, error: Exception | None) -> None:
        self.other.peer.write_eof()

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def cut(self) -> None:
        """The connection is lost, and both ends learn it."""
        self.peer.abort(LinkDown("reset"))
        self.other.peer.abort(LinkDown("reset"))


class World:
    """A portal, and a dispatcher that joins a bridge's carriers to it."""

    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.wheel = Wheel(self.loop)
        self.portal = Portal("portal", DOMAIN, self.loop, self.wheel)
        self.is_reachable = True
        self.dials: list[float] = []
        self.pipes: list[Pipe] = []             # the bridge's ends
        self.targets: list[RecordingStream] = []
        self.flows: list[RecordingPackets] = []
        self.requests: list[Request] = []

    def dispatch(self, request: Request, stream: Stream) -> None:
        if request.destination.host != DOMAIN:
            target = RecordingStream()
            target.peer, stream.peer = stream, target
            self.targets.append(target)
            self.requests.append(request)
            return
        self.dials.append(self.loop.time())
        if not self.is_reachable:
            refused = RecordingStream()
            refused.peer, stream.peer = stream, refused
            self.loop.call_soon(stream.abort, LinkDown("refused"))
            return
        near, far = Pipe(), Pipe()
        near.other, far.other = far, near
        near.peer, stream.peer = stream, near
        self.pipes.append(near)
        self.portal.open(request._replace(inbound_tag="interconn"), far)

    def dispatch_packets(self, request: Request, packets: PacketStream) -> None:
        flow = RecordingPackets()
        flow.peer, packets.peer = packets, flow
        self.flows.append(flow)
        self.requests.append(request)

    def bridge(self) -> Bridge:
        bridge = Bridge("bridge", DOMAIN, self, self.loop, self.wheel)
        bridge.start()
        self.loop.turn()
        return bridge

    def client(self) -> RecordingStream:
        stream = RecordingStream()
        self.portal.open(PUBLIC, stream)
        return stream


@pytest.fixture
def world() -> World:
    return World()


# the portal, towards a bridge of any core


def test_the_control_session_is_the_first_and_is_opened_at_once(world: World) -> None:
    bridge = Frames(world.portal)
    world.loop.turn()
    number, status, extra, payload = bridge.frames[0]
    assert (number, status) == (1, NEW)
    assert extra == bytes.fromhex("02 0000 02 07") + b"reverse"
    assert control.decode_state(payload) == control.ACTIVE


def test_an_end_of_the_control_session_leads_to_the_next_dialect_and_is_remembered(world: World) -> None:
    bridge = Frames(world.portal, user="home")
    world.loop.turn()
    bridge.peer.write(encode_end(1, is_error=True))
    world.loop.turn()
    bridge.peer.write(encode_end(2))
    world.loop.turn()
    assert bridge.control_names() == [dialect.XRAY_25_9, dialect.V2FLY, dialect.V2RAY]
    again = Frames(world.portal, user="home")
    other = Frames(world.portal, user="office")
    world.loop.turn()
    assert again.control_names() == [dialect.V2RAY]
    assert other.control_names() == [dialect.XRAY_25_9]


def test_an_answer_on_the_control_session_is_a_wrong_guess_too(world: World) -> None:
    bridge = Frames(world.portal)
    world.loop.turn()
    bridge.peer.write(encode_packet(1, b"echo", None))
    world.loop.turn()
    assert bridge.control_names() == [dialect.XRAY_25_9, dialect.V2FLY]


def test_every_dialect_is_tried_once_on_one_carrier(world: World) -> None:
    bridge = Frames(world.portal)
    for number in range(1, 8):
        world.loop.turn()
        bridge.peer.write(encode_end(number))
    world.loop.turn()
    assert bridge.control_names() == list(dialect.DIALECTS)
    assert world.portal.links


@pytest.mark.parametrize(("lived_s", "following"), [(10, dialect.V2FLY), (90, dialect.XRAY_25_9), (400, dialect.V2FLY)])
def test_a_carrier_lost_after_one_to_two_minutes_suggests_a_wrong_guess(world: World, lived_s: float, following: str) -> None:
    bridge = Frames(world.portal)
    world.loop.turn()
    bridge.peer.write(encode_end(1))
    world.loop.advance(lived_s)
    bridge.peer.abort(None)
    again = Frames(world.portal)
    world.loop.turn()
    assert again.control_names() == [following]


def test_a_loss_is_no_doubt_of_the_dialect_of_those_who_give_up_for_want_of_a_heartbeat(world: World) -> None:
    bridge = Frames(world.portal)
    world.loop.advance(90)
    bridge.peer.abort(None)
    again = Frames(world.portal)
    world.loop.turn()
    assert again.control_names() == [dialect.XRAY_25_9]


def test_a_dialect_whose_control_session_was_ended_is_not_taken_for_understood(world: World) -> None:
    bridge = Frames(world.portal, user="home")
    for number in range(1, 5):
        world.loop.turn()
        bridge.peer.write(encode_end(number))
    world.loop.advance(200)
    assert not world.portal._memory._confirmed


def test_old_dialects_get_a_heartbeat_every_two_seconds_the_newest_every_ten(world: World) -> None:
    newest = Frames(world.portal, user="new")
    old = Frames(world.portal, user="old")
    world.loop.turn()
    old.peer.write(encode_end(1))
    world.loop.advance(8.5)
    assert len(old.states(2)) == 1 + 4
    world.loop.advance(12)
    assert len(newest.states()) == 1 + 2


def test_only_the_exact_domain_is_a_carrier(world: World) -> None:
    for host in ("Reverse-Proxy.Xray.Internal", "reverse-proxy.xray.internal."):
        stream = RecordingStream()
        world.portal.open(Request(Destination("tcp", host, 0), "interconn"), stream)
    assert not world.portal.links


@pytest.mark.parametrize("host", [*dialect.DIALECTS, "REVERSE"])
def test_a_client_that_asks_for_the_name_of_control_sessions_is_refused(world: World, host: str) -> None:
    bridge = Frames(world.portal)
    world.loop.turn()
    before = len(bridge.frames)
    stream, packets = RecordingStream(), RecordingPackets()
    world.portal.open(Request(Destination("tcp", host, 0), "external"), stream)
    world.portal.open_packets(Request(Destination("udp", host, 0), "external"), packets)
    world.loop.turn()
    assert stream.aborted
    assert packets.closed
    assert len(bridge.frames) == before


def test_a_client_is_served_by_the_carrier_with_the_fewest_sessions(world: World) -> None:
    first, second = Frames(world.portal), Frames(world.portal)
    for _ in range(4):
        world.client()
    world.loop.turn()
    assert [sum(frame[1] == NEW for frame in bridge.frames) for bridge in (first, second)] == [3, 3]


def test_a_carrier_that_died_is_never_picked(world: World) -> None:
    dead, alive = Frames(world.portal), Frames(world.portal)
    world.client()
    dead.peer.abort(None)
    for _ in range(5):
        world.client()
    world.loop.turn()
    assert sum(frame[1] == NEW for frame in alive.frames) == 6
    assert [link.carrier for link in world.portal.links] == [alive.peer]


def test_a_client_waits_for_a_carrier_and_nothing_that_it_sent_is_lost(world: World) -> None:
    client = world.client()
    client.peer.write(b"hello")
    assert client.paused
    bridge = Frames(world.portal)
    world.loop.turn()
    assert not client.paused
    assert [(frame[1], frame[3]) for frame in bridge.frames if frame[0] == 2] == [(NEW, b""), (KEEP, b"hello")]


def test_a_client_that_waited_long_enough_is_refused(world: World) -> None:
    client = world.client()
    world.loop.advance(CARRIER_WAIT_S - 1)
    assert not client.aborted
    world.loop.advance(2)
    assert client.aborted
    assert isinstance(client.error, LinkDown)


def test_a_client_that_left_while_it_waited_gets_no_session(world: World) -> None:
    client = world.client()
    client.peer.abort(None)
    bridge = Frames(world.portal)
    world.loop.turn()
    assert [frame[0] for frame in bridge.frames] == [1]


def test_a_client_that_waits_for_what_no_carrier_can_be_told_costs_nobody_else_anything(world: World) -> None:
    first, second = world.client(), RecordingStream()
    world.portal.open(Request(Destination("tcp", "a" * 300, 80), "external", ("198.51.100.7", 5000)), second)
    third = world.client()
    bridge = world.bridge()
    assert bridge.active
    assert [client.aborted for client in (first, second, third)] == [False, True, False]
    assert len(world.targets) == 2


def test_a_client_that_ends_while_others_are_served_is_given_no_session(world: World) -> None:
    first, second = world.client(), world.client()
    first.resume = lambda: second.peer.abort(None)      # type: ignore[method-assign]
    world.bridge()
    assert len(world.targets) == 1


def test_waiting_clients_are_bounded(world: World) -> None:
    clients = [world.client() for _ in range(MAX_WAITING + 1)]
    assert [client.aborted for client in clients[-2:]] == [False, True]


def test_a_carrier_is_drained_after_its_lifetime_and_used_until_another_is_there(world: World) -> None:
    bridge = Frames(world.portal)
    for _ in range(DRAIN_AFTER_SESSIONS):
        world.client()
    world.loop.advance(2)
    assert bridge.states()[-1] == control.DRAIN
    assert (1, END, b"", b"") in bridge.frames
    world.client()
    world.loop.turn()
    assert bridge.frames[-1][:2] == (DRAIN_AFTER_SESSIONS + 2, NEW)
    fresh = Frames(world.portal)
    world.client()
    world.loop.turn()
    assert fresh.frames[-1][:2] == (2, NEW)


@pytest.mark.parametrize(("answers", "following"), [(True, dialect.XRAY_25_9), (False, dialect.V2FLY)])
def test_a_drain_that_brings_no_other_carrier_was_not_understood(world: World, answers: bool, following: str) -> None:
    Frames(world.portal)
    for _ in range(DRAIN_AFTER_SESSIONS):
        world.client()
    world.loop.advance(2.5)
    if answers:
        Frames(world.portal)
    world.loop.advance(10)
    assert world.portal._memory.first_guess("") == following


def test_a_drain_is_not_misunderstood_by_a_bridge_that_has_another_carrier_already(world: World) -> None:
    first, second = Frames(world.portal, user="home"), Frames(world.portal, user="home")
    for _ in range(2 * DRAIN_AFTER_SESSIONS):
        world.client()
    second.peer.abort(None)
    second = Frames(world.portal, user="home")      # loaded less: only the first is drained
    world.loop.advance(20)
    assert [link.is_draining for link in world.portal.links] == [True, False]
    again = Frames(world.portal, user="home")
    world.loop.turn()
    assert first.states()[-1] == control.DRAIN
    assert again.control_names() == [dialect.XRAY_25_9]


def test_a_drained_carrier_is_closed_when_its_last_session_is_over(world: World) -> None:
    bridge = Frames(world.portal)
    for _ in range(DRAIN_AFTER_SESSIONS):
        world.client()
    world.loop.advance(4)
    for number in range(2, DRAIN_AFTER_SESSIONS + 2):
        bridge.peer.write(encode_end(number))
    assert not bridge.is_closed
    world.loop.advance(16)
    assert bridge.is_closed
    assert not world.portal.links


def test_stopping_the_portal_ends_carriers_and_those_who_wait(world: World) -> None:
    waiting = world.client()
    world.portal.stop()
    assert waiting.aborted
    assert world.client().aborted


# bridge and portal together


def test_a_public_client_reaches_the_target_behind_the_bridge(world: World) -> None:
    world.bridge()
    client = world.client()
    client.peer.write(b"GET")
    world.loop.turn()
    assert world.requests == [Request(WEB, "bridge")]
    assert world.targets[0].data == b"GET"
    world.targets[0].peer.write(b"200")
    world.loop.turn()
    assert client.data == b"200"


def test_the_bridge_asks_for_its_domain_at_port_zero(world: World) -> None:
    world.is_reachable = False
    world.bridge()
    assert world.dials == [0.0]


def test_more_carriers_are_opened_one_a_tick_while_the_average_is_above_sixteen(world: World) -> None:
    bridge = world.bridge()
    for _ in range(15):
        world.client()
    world.loop.advance(6)
    assert len(bridge.links) == 1           # 16 with the control session
    world.client()
    world.loop.advance(2)
    assert len(bridge.links) == 2
    world.loop.advance(10)
    assert len(bridge.links) == 2


def test_a_lost_carrier_is_replaced_at_once(world: World) -> None:
    bridge = world.bridge()
    world.loop.advance(30)
    world.pipes[0].cut()
    world.loop.advance(0.01)
    assert len(bridge.active) == 1
    assert len(world.portal.links) == 1


def test_retries_back_off_with_jitter_up_to_a_bound(world: World) -> None:
    world.is_reachable = False
    bridge = world.bridge()
    world.loop.advance(60)
    gaps = [later - earlier for earlier, later in zip(world.dials, world.dials[1:], strict=False)]
    assert gaps[0] < 0.01
    assert gaps[1] < 0.5
    assert all(gap <= RETRY_MOST_S * 1.31 for gap in gaps)
    assert gaps[-1] > RETRY_MOST_S * 0.69
    world.is_reachable = True
    world.loop.advance(RETRY_MOST_S * 1.31)
    assert len(bridge.active) == 1


def test_a_drain_makes_the_bridge_open_another_carrier_at_once(world: World) -> None:
    bridge = world.bridge()
    for _ in range(DRAIN_AFTER_SESSIONS):
        world.client()
    world.loop.advance(2)
    assert len(bridge.links) == 2
    assert len(bridge.active) == 1
    assert [link.is_draining for link in world.portal.links] == [True, False]


def test_no_session_is_lost_over_many_drains(world: World) -> None:
    world.bridge()
    served = 0
    for _ in range(1000):
        client = world.client()
        client.peer.write(b"?")
        world.loop.turn()
        world.targets[-1].peer.write(b"!")
        world.targets[-1].peer.write_eof()
        world.loop.advance(0.02)
        served += client.data == b"!" and client.eof
        client.peer.write_eof()
    assert served == 1000
    assert len(world.dials) >= 3


def test_a_watchdog_closes_a_carrier_whose_heartbeats_stopped(world: World) -> None:
    bridge = world.bridge()
    world.loop.advance(200)
    assert world.dials == [0.0]             # heartbeats keep it
    world.portal._timer.cancel()
    world.loop.advance(2 * WATCHDOG_S + 5)
    assert len(world.dials) == 2
    assert len(bridge.active) == 1


@pytest.mark.parametrize("name", [*dialect.DIALECTS, "REVERSE"])
def test_the_bridge_understands_every_dialect(world: World, name: str) -> None:
    bridge = world.bridge()
    carrier = bridge.links[0].carrier
    carrier.write(encode_new(77, Destination("udp", name, 0), control.encode_control(control.ACTIVE, b"x")))
    assert bridge.links[0].dialect == name.lower()
    assert not world.flows
    carrier.write(encode_packet(77, control.encode_control(control.DRAIN, b"x"), None))
    assert not bridge.links[0].is_active
    assert len(bridge.active) == 1


def test_a_control_session_over_tcp_is_understood_too(world: World) -> None:
    bridge = world.bridge()
    carrier = bridge.links[0].carrier
    carrier.write(encode_new(77, Destination("tcp", "reverse", 4321), control.encode_control(control.DRAIN, b"x")))
    assert not bridge.links[0].is_active
    assert not world.targets


def test_a_control_message_that_cannot_be_read_closes_the_carrier(world: World) -> None:
    bridge = world.bridge()
    broken = bridge.links[0]
    broken.carrier.write(keep_head(4, 1, KEEP, 1, 1) + b"\x0b")
    assert broken.carrier.ended
    world.loop.advance(0.5)
    assert len(bridge.active) == 1


def test_datagrams_travel_through_the_tunnel(world: World) -> None:
    world.bridge()
    client = RecordingPackets()
    dns = Destination("udp", IPv4Address("127.0.0.1"), 53)
    world.portal.open_packets(Request(dns, "external"), client)
    client.peer.write_packet(b"query", None)
    world.loop.turn()
    assert world.requests == [Request(dns, "bridge")]
    assert world.flows[0].packets == [(b"query", None)]
    world.flows[0].peer.write_packet(b"reply", dns)
    world.loop.turn()
    assert client.packets == [(b"reply", dns)]


def test_datagrams_without_a_carrier_are_refused(world: World) -> None:
    client = RecordingPackets()
    world.portal.open_packets(Request(Destination("udp", "a.example", 53), "external"), client)
    assert client.closed
