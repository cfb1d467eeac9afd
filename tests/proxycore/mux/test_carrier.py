"""Carriers: both ends in memory, joined by a wire that a test can hold up."""

from __future__ import annotations

import random
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination
from proxycore.errors import LimitError, LinkDown
from proxycore.mux import carrier as carrier_module
from proxycore.mux import server as server_module
from proxycore.mux.carrier import CARRIER_BUFFER_BYTES, EXPRESS_BYTES, QUANTUM_BYTES
from proxycore.mux.client import MuxClient
from proxycore.mux.codec import encode_end, encode_new, keep_head
from proxycore.mux.server import MuxServer
from proxycore.mux.session import HALF_CLOSE_LINGER_S, SESSION_BUFFER_BYTES, MuxPacketSession, MuxSession
from proxycore.net.wheel import Wheel
from proxycore.stream import NULL_STREAM, Buffer, Stream
from tests.support.loop import ManualLoop
from tests.support.streams import RecordingPackets, RecordingStream

TARGET = Destination("tcp", IPv4Address("10.0.0.1"), 80)
DNS = Destination("udp", IPv4Address("10.0.0.1"), 53)


class Wire(Stream):
    """One direction's near end: what is written to it is held until `pass_on`, or goes at once while it is open."""

    def __init__(self, far: Stream) -> None:
        self.peer: Stream = NULL_STREAM
        self.far = far
        self.held = bytearray()
        self.is_open = True
        self.reads_paused = False
        self.writes = 0

    def write(self, data: Buffer) -> None:
        self.writes += 1
        if self.is_open:
            self.far.write(bytes(data))
        else:
            self.held += data
            self.peer.pause()

    def pass_on(self, size: int = 1 << 30) -> None:
        """Let `size` held bytes through; the sender goes on when none is left."""
        data = bytes(self.held[:size])
        del self.held[:size]
        self.far.write(data)
        if not self.held:
            self.peer.resume()

    def write_eof(self) -> None:
        self.far.write_eof()

    def close(self) -> None:
        self.far.write_eof()

    def abort(self, error: Exception | None) -> None:
        self.far.abort(error)

    def pause(self) -> None:
        self.reads_paused = True

    def resume(self) -> None:
        self.reads_paused = False


class Pair:
    """A mux client and a mux server, joined."""

    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.wheel = Wheel()
        self.targets: list[RecordingStream] = []
        self.flows: list[RecordingPackets] = []
        self.destinations: list[Destination] = []
        self.server_sessions: list[MuxSession] = []
        self.client = MuxClient(self.loop, self.wheel)
        self.server = MuxServer(self.loop, self.wheel, self._stream, self._packets)
        self.down = Wire(self.client)       # server -> client
        self.up = Wire(self.server)         # client -> server
        self.client.peer, self.up.peer = self.up, self.client
        self.server.peer, self.down.peer = self.down, self.server

    def _stream(self, destination: Destination, session: MuxSession) -> None:
        target = RecordingStream()
        target.peer, session.peer = session, target
        self.targets.append(target)
        self.server_sessions.append(session)
        self.destinations.append(destination)

    def _packets(self, destination: Destination, packets: MuxPacketSession) -> None:
        flow = RecordingPackets()
        flow.peer, packets.peer = packets, flow
        self.flows.append(flow)
        self.destinations.append(destination)

    def open(self) -> tuple[MuxSession, RecordingStream]:
        """A session and the public client that it serves."""
        client = RecordingStream()
        session = self.client.open(TARGET)
        session.peer, client.peer = client, session
        return session, client


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_bytes_travel_both_ways(pair: Pair) -> None:
    session, client = pair.open()
    session.write(b"question")
    pair.loop.turn()
    assert pair.destinations == [TARGET]
    assert pair.targets[0].data == b"question"
    pair.server_sessions[0].write(b"answer")
    pair.loop.turn()
    assert client.data == b"answer"
    assert (session.sent, session.received) == (8, 6)


def test_a_session_in_which_the_server_speaks_first_is_opened_in_the_same_turn(pair: Pair) -> None:
    pair.open()
    pair.loop.turn()
    assert len(pair.targets) == 1


def test_what_many_sessions_write_in_one_turn_leaves_as_one_write(pair: Pair) -> None:
    sessions = [pair.open()[0] for _ in range(10)]
    for session in sessions:
        session.write(b"x" * 10)
    pair.loop.turn()
    assert pair.up.writes == 1
    assert [bytes(target.data) for target in pair.targets] == [b"x" * 10] * 10


def test_the_servers_end_closes_the_client_after_its_data(pair: Pair) -> None:
    _, client = pair.open()
    pair.loop.turn()
    pair.server_sessions[0].write(b"last words")
    pair.server_sessions[0].write_eof()
    pair.loop.turn()
    assert client.data == b"last words"
    assert client.closed
    assert not pair.client.sessions
    assert not pair.server.sessions


def test_a_client_that_ends_after_its_answer_ends_the_session_at_once(pair: Pair) -> None:
    session, _ = pair.open()
    session.write(b"?")
    pair.loop.turn()
    pair.server_sessions[0].write(b"!")
    pair.loop.turn()
    session.write_eof()
    pair.loop.turn()
    assert pair.targets[0].closed


def test_a_client_that_ends_before_its_answer_still_gets_it(pair: Pair) -> None:
    session, client = pair.open()
    session.write(b"?")
    session.write_eof()
    pair.loop.turn()
    assert not pair.targets[0].closed
    pair.server_sessions[0].write(b"late answer")
    pair.server_sessions[0].write_eof()
    pair.loop.turn()
    assert client.data == b"late answer"
    assert client.closed


def test_a_client_that_ends_and_gets_no_answer_is_ended_after_the_linger(pair: Pair) -> None:
    session, client = pair.open()
    session.write(b"?")
    session.write_eof()
    pair.loop.turn()
    for _ in range(int(HALF_CLOSE_LINGER_S) - 1):
        pair.wheel.turn()
    pair.loop.turn()
    assert not pair.targets[0].closed
    pair.wheel.turn()
    pair.loop.turn()
    assert pair.targets[0].closed
    assert client.closed


def test_a_client_that_ended_first_gets_an_answer_that_streams_for_long(pair: Pair) -> None:
    session, client = pair.open()
    session.write(b"?")
    session.write_eof()
    pair.loop.turn()
    for _ in range(60):
        pair.server_sessions[0].write(b"part of the answer")
        pair.loop.turn()
        pair.wheel.turn()
    assert not client.closed
    for _ in range(2 * int(HALF_CLOSE_LINGER_S)):
        pair.wheel.turn()
    pair.loop.turn()
    assert client.data == b"part of the answer" * 60
    assert client.closed
    assert pair.targets[0].closed


def test_a_client_that_ends_still_gets_the_answer_that_waits_for_it(pair: Pair) -> None:
    session, client = pair.open()
    session.write(b"?")
    pair.loop.turn()
    session.pause()
    pair.server_sessions[0].write(b"slowly read")
    pair.loop.turn()
    session.write_eof()
    session.resume()
    assert client.data == b"slowly read"


def test_an_aborted_client_ends_the_session(pair: Pair) -> None:
    session, _ = pair.open()
    pair.loop.turn()
    session.abort(None)
    pair.loop.turn()
    assert pair.targets[0].closed
    assert not pair.client.sessions


def test_a_lost_carrier_aborts_every_session_on_both_sides(pair: Pair) -> None:
    clients = [pair.open()[1] for _ in range(3)]
    pair.loop.turn()
    ended: list[object] = []
    pair.client.on_ended = ended.append
    pair.client.abort(None)
    assert [client.aborted for client in clients] == [True] * 3
    assert isinstance(clients[0].error, LinkDown)
    assert [target.aborted for target in pair.targets] == [True] * 3
    assert ended == [pair.client]


def test_garbage_ends_the_carrier_and_nothing_else(pair: Pair) -> None:
    _, client = pair.open()
    pair.loop.turn()
    pair.client.write(b"\xff" * 100)
    assert pair.client.ended
    assert client.aborted


def test_data_for_an_unknown_session_is_answered_with_one_end(pair: Pair) -> None:
    pair.up.is_open = False
    pair.client.write((keep_head(4, 99, 2, 1, 1) + b"x") * 20)
    pair.loop.turn()
    assert pair.up.held == encode_end(99)


def test_data_in_flight_for_a_session_that_ended_here_is_not_answered(pair: Pair) -> None:
    session, _ = pair.open()
    session.close()
    pair.loop.turn()
    pair.up.is_open = False
    pair.client.write(keep_head(4, session.id, 2, 1, 1) + b"x")
    pair.loop.turn()
    assert pair.up.held == b""


def test_a_new_for_a_live_id_takes_its_place(pair: Pair) -> None:
    pair.open()
    pair.loop.turn()
    pair.client.sessions.clear()
    pair.client._last_id = 0
    pair.open()
    pair.loop.turn()
    assert pair.targets[0].closed
    assert not pair.targets[1].ended
    assert len(pair.server.sessions) == 1


def test_ids_wrap_around_without_meeting_a_live_one(pair: Pair) -> None:
    first, _ = pair.open()
    pair.client._last_id = 65535
    second, _ = pair.open()
    assert (first.id, second.id) == (1, 2)


def test_a_destination_that_cannot_be_written_leaves_no_session(pair: Pair) -> None:
    for network in ("tcp", "udp"):
        destination = Destination(network, "a" * 300, 80)   # type: ignore[arg-type]
        with pytest.raises(LimitError):
            (pair.client.open if network == "tcp" else pair.client.open_packets)(destination)
    assert not pair.client.sessions


def test_a_full_carrier_pauses_the_source_and_keeps_what_it_wrote(pair: Pair) -> None:
    session, client = pair.open()
    pair.up.is_open = False
    session.write(b"a")
    pair.loop.turn()
    session.write(b"b")
    assert client.paused
    assert session.tx_bytes == 1
    pair.up.pass_on()
    pair.loop.turn()
    pair.up.pass_on()
    assert not client.paused
    assert pair.targets[0].data == b"ab"


def test_while_the_carrier_is_full_small_goes_first_and_the_rest_takes_turns(pair: Pair) -> None:
    bulk = [pair.open()[0] for _ in range(2)]
    small, _ = pair.open()
    pair.loop.turn()
    pair.up.is_open = False
    bulk[0].write(b"0" * 100)
    pair.loop.turn()                                # held: the carrier is full now
    for session in bulk:
        session.write(bytes([48 + session.id]) * (3 * QUANTUM_BYTES))
    small.write(b"s" * EXPRESS_BYTES)
    pair.up.is_open = True
    order: list[tuple[int, int]] = []
    for number, target in enumerate(pair.targets):
        target.write = lambda data, number=number: order.append((number, len(data)))  # type: ignore[method-assign]
    pair.up.pass_on()
    pair.loop.turn()
    assert order == [(0, 100), (2, EXPRESS_BYTES)] + [(0, QUANTUM_BYTES), (1, QUANTUM_BYTES)] * 3


def test_an_end_waits_for_what_the_session_still_has_to_send(pair: Pair) -> None:
    session, _ = pair.open()
    pair.loop.turn()
    pair.up.is_open = False
    session.write(b"1")
    pair.loop.turn()
    session.write(b"2")
    session.close()
    assert not session.ended
    pair.up.is_open = True
    pair.up.pass_on()
    pair.loop.turn()
    assert pair.targets[0].data == b"12"
    assert pair.targets[0].closed


def test_a_slow_reader_is_buffered_to_its_bound_and_then_the_carrier_is_not_read(pair: Pair) -> None:
    session, client = pair.open()
    pair.loop.turn()
    session.pause()
    piece = bytes(SESSION_BUFFER_BYTES // 4)
    for _ in range(4):
        pair.server_sessions[0].write(piece)
        pair.loop.turn()
    assert not pair.up.reads_paused
    pair.server_sessions[0].write(b"one more")
    pair.loop.turn()
    assert pair.up.reads_paused
    session.resume()
    assert not pair.up.reads_paused
    assert len(client.data) == SESSION_BUFFER_BYTES + 8
    assert carrier_module._process_waiting == 0


def test_tiny_frames_for_a_slow_reader_are_put_together(pair: Pair) -> None:
    session, client = pair.open()
    pair.loop.turn()
    session.pause()
    pair.client.write((keep_head(4, session.id, 2, 1, 2) + b"ab") * 20_000)
    assert session.rx_bytes == 40_000
    session.resume()
    assert client.data == b"ab" * 20_000
    assert len(client.writes) == 3


def test_a_reader_that_fails_while_it_is_fed_leaves_nothing_counted(pair: Pair) -> None:
    class Failing(RecordingStream):
        def write(self, data: Buffer) -> None:
            self.peer.abort(LinkDown("reset"))

    session, _ = pair.open()
    session.peer = client = Failing()
    client.peer = session
    session.pause()
    for _ in range(4):
        pair.client.write(keep_head(4, session.id, 2, 1, 30_000) + bytes(30_000))
    session.resume()
    assert session.ended
    assert (session.rx_bytes, pair.client.waiting_bytes, carrier_module._process_waiting) == (0, 0, 0)


def test_a_slow_reader_that_closes_before_its_own_bytes_left_does_not_hold_up_the_others(pair: Pair) -> None:
    session, _ = pair.open()
    pair.loop.turn()
    session.pause()
    for _ in range(10):
        pair.client.write(keep_head(4, session.id, 2, 1, 60_000) + bytes(60_000))
    assert pair.up.reads_paused
    pair.client.pause()
    session.write(b"waits for its turn")
    session.close()
    assert not pair.up.reads_paused
    assert pair.client.waiting_bytes == 0


def test_slow_readers_together_are_bounded_too(pair: Pair) -> None:
    share = SESSION_BUFFER_BYTES // 2
    sessions = [pair.open()[0] for _ in range(CARRIER_BUFFER_BYTES // share + 1)]
    pair.loop.turn()
    for session, far in zip(sessions, pair.server_sessions, strict=True):
        session.pause()
        far.write(bytes(share))
        pair.loop.turn()
    assert pair.up.reads_paused
    for session in sessions:
        session.abort(None)
    assert not pair.up.reads_paused
    assert carrier_module._process_waiting == 0


def test_a_slow_reader_gets_everything_though_the_session_has_ended(pair: Pair) -> None:
    session, client = pair.open()
    pair.loop.turn()
    session.pause()
    pair.server_sessions[0].write(b"tail")
    pair.server_sessions[0].write_eof()
    pair.loop.turn()
    assert not client.closed
    session.resume()
    assert client.data == b"tail"
    assert client.closed


def test_a_slow_reader_that_leaves_after_the_end_frees_what_waited(pair: Pair) -> None:
    session, _ = pair.open()
    pair.loop.turn()
    session.pause()
    pair.server_sessions[0].write(b"tail")
    pair.server_sessions[0].write_eof()
    pair.loop.turn()
    session.abort(None)
    assert carrier_module._process_waiting == 0


def test_datagrams_keep_their_borders_and_their_addresses(pair: Pair) -> None:
    client = RecordingPackets()
    session = pair.client.open_packets(DNS)
    session.peer, client.peer = client, session
    session.write_packet(b"q1", None)
    session.write_packet(b"q2", Destination("udp", "other.example", 53))
    pair.loop.turn()
    assert pair.destinations == [DNS]
    assert pair.flows[0].packets == [(b"q1", None), (b"q2", Destination("udp", "other.example", 53))]
    pair.flows[0].peer.write_packet(b"a", DNS)
    pair.loop.turn()
    assert client.packets == [(b"a", DNS)]


def test_a_datagram_that_would_kill_the_far_core_is_dropped(pair: Pair) -> None:
    session = pair.client.open_packets(DNS)
    session.write_packet(bytes(2049), None)
    session.write_packet(bytes(2048), None)
    pair.loop.turn()
    assert [len(data) for data, _ in pair.flows[0].packets] == [2048]


def test_datagrams_are_dropped_while_the_carrier_is_full(pair: Pair) -> None:
    session = pair.client.open_packets(DNS)
    pair.loop.turn()
    pair.up.is_open = False
    pair.client.pause()
    for _ in range(1000):
        session.write_packet(bytes(1024), None)
        pair.loop.turn()
    assert len(pair.up.held) <= carrier_module.PACKET_BACKLOG_BYTES


def test_a_control_message_is_not_dropped_with_them(pair: Pair) -> None:
    session = pair.client.open_packets(DNS)
    pair.loop.turn()
    pair.client.pause()
    for _ in range(1000):
        session.write_packet(bytes(1024), None)
    session.write_control(b"DRAIN")
    pair.loop.turn()
    assert pair.flows[0].packets[-1] == (b"DRAIN", None)


def test_a_peer_that_sends_nonsense_and_does_not_read_is_answered_within_bounds(pair: Pair) -> None:
    pair.up.is_open = False
    pair.client.pause()
    for number in range(30_000):
        pair.client.write(keep_head(4, number, 2, 1, 0))
        pair.loop.turn()
    assert len(pair.up.held) <= carrier_module.ANSWER_BACKLOG_BYTES


def test_a_peer_that_makes_us_write_and_does_not_read_is_cut_off(pair: Pair) -> None:
    pair.up.is_open = False
    pair.client.pause()
    for _ in range(200_000):
        if pair.client.ended:
            break
        session, _ = pair.open()
        session.abort(None)
        pair.loop.turn()
    assert pair.client.ended
    assert len(pair.up.held) <= carrier_module.FRAME_BACKLOG_BYTES


def test_a_peer_that_opens_ever_more_sessions_is_refused_and_the_log_says_so_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_module, "MAX_LIVE_SESSIONS", 3)
    pair.down.is_open = False
    for number in range(1, 100):
        pair.server.write(encode_new(number, TARGET))
    pair.loop.turn()
    assert len(pair.targets) == 3
    assert bytes(pair.down.held) == b"".join(encode_end(number, is_error=True) for number in range(4, 100))
    assert len(caplog.records) == 1


def test_what_follows_a_fatal_frame_in_the_same_read_is_ignored(pair: Pair) -> None:
    pair.server.write(bytes.fromhex("0004 0001 09 00") + bytes.fromhex("000c 0002 01 00 01 0050 01 0a090807"))
    assert pair.server.ended
    assert not pair.targets


def test_an_empty_frame_does_not_leave_its_address_to_the_next_datagram(pair: Pair) -> None:
    session = pair.client.open_packets(DNS)
    pair.loop.turn()
    pair.server.write(bytes.fromhex("000c 0001 02 01 02 0035 01 09090909 0000"))
    session.write_packet(b"q", None)
    pair.loop.turn()
    assert pair.flows[0].packets == [(b"q", None)]


def test_ending_a_flow_ends_its_other_side(pair: Pair) -> None:
    session = pair.client.open_packets(DNS)
    pair.loop.turn()
    session.close()
    pair.loop.turn()
    assert pair.flows[0].closed


@given(st.integers(0, 2**32))
def test_whatever_the_order_of_events_every_byte_arrives_once_and_in_order(seed: int) -> None:
    rnd = random.Random(seed)
    pair = Pair()
    sessions = [pair.open() for _ in range(4)]
    pair.loop.turn()
    sent = {session.id: bytearray() for session, _ in sessions}
    for _ in range(200):
        session, client = rnd.choice(sessions)
        move = rnd.randrange(5)
        if move == 0 and not client.paused:
            data = rnd.randbytes(rnd.choice([1, 100, 5000, 40000]))
            sent[session.id] += data
            session.write(data)
        elif move == 1:
            pair.up.is_open = not pair.up.is_open or bool(pair.up.held)
            if pair.up.held:
                pair.up.is_open = False
        elif move == 2 and pair.up.held:
            pair.up.pass_on(rnd.randrange(1, 20000))
        elif move == 3:
            far = rnd.choice(pair.server_sessions)
            rnd.choice([far.pause, far.resume])()
        else:
            pair.loop.turn()
    pair.up.is_open = True
    pair.up.pass_on()
    pair.loop.turn()
    for far in pair.server_sessions:
        far.resume()
    pair.loop.turn()
    for (session, _), target in zip(sessions, pair.targets, strict=True):
        assert target.data == sent[session.id]
    assert carrier_module._process_waiting == 0
