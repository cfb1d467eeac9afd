"""Sessions with credit: both ends in memory. A model test cuts and delays the bytes and the readers as it likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxycore.errors import DialError, LinkDown, PeerError
from proxycore.mux import carrier as carrier_module
from proxycore.mux import extension as extension_module
from proxycore.mux.codec import encode_new, encode_packet, keep_head
from proxycore.mux.codec_extension import Reason, encode_credit, encode_finish, encode_ping, encode_reset
from proxycore.mux.extension import INITIAL_WINDOW_BYTES, MAX_WINDOW_BYTES, Extension
from proxycore.mux.session import CLOSED_LINGER_S, MuxSession
from tests.proxycore.mux.test_carrier import DNS, TARGET, Pair
from tests.support.streams import RecordingStream

PIECE = 32 * 1024


class ExtendedPair(Pair):
    """A client and a server that have agreed on the extension."""

    def __init__(self, window: int = INITIAL_WINDOW_BYTES) -> None:
        super().__init__()
        self.clients: list[RecordingStream] = []
        self.client.extension = Extension(self.client, 1, window, can_send=True)
        self.server.extension = Extension(self.server, 1, window, can_send=False)
        for extension in (self.client.extension, self.server.extension):
            extension.initial_in = window

    def end(self) -> None:
        """Everybody leaves."""
        for stream in (*self.clients, *self.targets):
            stream.peer.abort(None)
        self.client.close()

    def open(self) -> tuple[MuxSession, RecordingStream]:
        session, client = super().open()
        self.clients.append(client)
        return session, client

    def opened(self) -> tuple[MuxSession, RecordingStream, MuxSession, RecordingStream]:
        """A session: at the client with its reader, at the server with the target."""
        session, client = self.open()
        self.loop.turn()
        return session, client, self.server_sessions[-1], self.targets[-1]

    def stalled(self, rest: int = -1) -> tuple[MuxSession, RecordingStream, MuxSession, RecordingStream]:
        """The same, whose reader has stopped while the target sends without end, or until `rest` bytes of the window are left."""
        opened = self.opened()
        opened[0].pause()
        for _ in range(4 * INITIAL_WINDOW_BYTES // PIECE):
            if opened[3].paused or opened[2].credit <= rest:
                break
            opened[2].write(bytes(PIECE))
            self.loop.turn()
        return opened


@pytest.fixture
def pair() -> Iterator[ExtendedPair]:
    pair = ExtendedPair()
    yield pair
    pair.end()
    assert (carrier_module._process_waiting, extension_module._process_growth) == (0, 0)


def test_a_reader_that_stops_stalls_its_own_session_and_no_other(pair: ExtendedPair) -> None:
    session, _, far, target = pair.stalled()
    assert target.paused
    assert session.rx_bytes == INITIAL_WINDOW_BYTES
    assert far.credit == 0
    assert not pair.up.reads_paused
    other, client = pair.open()
    other.write(b"?")
    pair.loop.turn()
    pair.server_sessions[1].write(b"!")
    pair.loop.turn()
    assert client.data == b"!"


def test_a_reader_that_goes_on_gets_everything_in_order(pair: ExtendedPair) -> None:
    session, client, far, target = pair.stalled()
    sent = far.sent
    session.resume()
    pair.loop.turn()
    assert not target.paused
    assert len(client.data) == sent
    assert (session.rx_bytes, carrier_module._process_waiting) == (0, 0)


def test_what_does_not_fit_the_credit_is_sent_in_part(pair: ExtendedPair) -> None:
    session, _, far, target = pair.opened()
    session.pause()
    far.write(bytes(INITIAL_WINDOW_BYTES + 5))
    pair.loop.turn()
    assert session.received == INITIAL_WINDOW_BYTES
    assert far.tx_bytes == 5
    assert target.paused


def test_a_window_that_is_used_up_within_two_round_trips_grows_and_a_slow_one_does_not(pair: ExtendedPair) -> None:
    session, _, far, _ = pair.opened()
    pair.client.rtt_s = 0.05
    far.write(bytes(INITIAL_WINDOW_BYTES))
    pair.loop.turn()
    assert session.window == 2 * INITIAL_WINDOW_BYTES
    pair.loop.advance(1)
    far.write(bytes(INITIAL_WINDOW_BYTES))
    pair.loop.turn()
    assert session.window == 2 * INITIAL_WINDOW_BYTES


def test_windows_grow_to_their_bound_and_together_to_that_of_the_process(
    pair: ExtendedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extension_module, "PROCESS_GROWTH_BYTES", 2 * MAX_WINDOW_BYTES)
    sessions = []
    for _ in range(4):
        session, _, far, _ = pair.opened()
        for _ in range(100):
            far.write(bytes(INITIAL_WINDOW_BYTES))
            pair.loop.turn()
        sessions.append(session)
    assert sessions[0].window == MAX_WINDOW_BYTES
    assert extension_module._process_growth == sum(one.window - INITIAL_WINDOW_BYTES for one in sessions) <= 2 * MAX_WINDOW_BYTES


def test_a_client_that_has_finished_still_gets_the_answer(pair: ExtendedPair) -> None:
    session, client, far, target = pair.opened()
    session.write(b"question")
    session.write_eof()
    pair.loop.turn()
    assert (target.data, target.eof, target.ended) == (b"question", True, False)
    far.write(b"answer")
    far.write_eof()
    pair.loop.turn()
    assert (client.data, client.eof) == (b"answer", True)
    assert not pair.client.sessions
    assert not pair.server.sessions


def test_a_target_that_has_finished_still_gets_the_rest(pair: ExtendedPair) -> None:
    session, client, far, target = pair.opened()
    far.write_eof()
    pair.loop.turn()
    assert client.eof
    session.write(b"the rest")
    session.write_eof()
    pair.loop.turn()
    assert (target.data, target.eof) == (b"the rest", True)
    assert not pair.client.sessions
    assert not pair.server.sessions


def test_a_finish_waits_for_what_waits_for_credit(pair: ExtendedPair) -> None:
    session, client, far, _ = pair.opened()
    session.pause()
    far.write(bytes(INITIAL_WINDOW_BYTES + 5))
    far.write_eof()
    pair.loop.turn()
    session.resume()
    assert not client.eof
    pair.loop.turn()
    assert (len(client.data), client.eof) == (INITIAL_WINDOW_BYTES + 5, True)


def test_a_slow_reader_gets_the_finish_after_what_waits(pair: ExtendedPair) -> None:
    session, client, far, _ = pair.opened()
    session.pause()
    far.write(b"slowly read")
    far.write_eof()
    session.write_eof()
    pair.loop.turn()
    assert not pair.client.sessions
    assert not client.eof
    session.resume()
    assert (client.data, client.eof) == (b"slowly read", True)


@pytest.mark.parametrize(("error", "reason"), [
    (DialError("10.0.0.1:80", "connection refused"), "the target cannot be reached"),
    (LinkDown("idle"), "the connection behind the tunnel was lost"),
    (None, "the session was reset"),
])
def test_a_reset_says_why_and_nothing_else(pair: ExtendedPair, error: Exception | None, reason: str) -> None:
    _, client, far, _ = pair.opened()
    far.abort(error)
    pair.loop.turn()
    assert client.aborted
    assert str(client.error) == reason
    assert not pair.client.sessions


def test_a_reset_comes_after_what_was_read_before_it(pair: ExtendedPair) -> None:
    session, client, far, _ = pair.opened()
    session.pause()
    far.write(b"the last words")
    pair.loop.turn()
    far.abort(None)
    pair.loop.turn()
    assert not client.ended
    session.resume()
    assert client.data == b"the last words"
    assert client.aborted


def test_a_close_waits_for_credit_and_ends_both_directions(pair: ExtendedPair) -> None:
    session, client, far, _ = pair.opened()
    session.pause()
    far.write(bytes(INITIAL_WINDOW_BYTES + 5))
    far.close()
    pair.loop.turn()
    session.resume()
    pair.loop.turn()
    assert (len(client.data), client.closed) == (INITIAL_WINDOW_BYTES + 5, True)
    assert not pair.server.sessions


@pytest.mark.parametrize("is_far_closed", [True, False], ids=["both closed", "one closed"])
def test_a_close_waits_ten_minutes_for_who_takes_nothing(pair: ExtendedPair, is_far_closed: bool) -> None:
    session, _, far, target = pair.stalled()
    far.pause()
    session.write(bytes(INITIAL_WINDOW_BYTES + 5))
    pair.loop.turn()
    assert (session.credit, far.credit) == (0, 0)
    session.close()
    if is_far_closed:
        far.close()
    pair.loop.turn()
    assert pair.client.sessions
    for _ in range(int(CLOSED_LINGER_S) + 1):
        pair.wheel.turn()
    pair.loop.turn()
    assert not pair.client.sessions
    assert not pair.server.sessions
    far.resume()
    assert is_far_closed or (len(target.data), target.aborted) == (INITIAL_WINDOW_BYTES, True)


def test_a_close_waits_for_who_takes_little_at_a_time(pair: ExtendedPair) -> None:
    session, client, far, target = pair.opened()
    far.pause()
    target.on_write = far.pause
    session.pause()
    session.write(bytes(2 * INITIAL_WINDOW_BYTES))
    for _ in range(4):
        pair.loop.turn()
        if client.paused:
            break
        session.write(bytes(PIECE))
    sent = session.sent
    session.close()
    for second in range(3 * int(CLOSED_LINGER_S)):
        pair.wheel.turn()
        if not second % 30:
            far.resume()
        pair.loop.turn()
    assert (len(target.data), target.closed) == (sent, True)


def test_of_a_process_that_holds_too_much_the_slowest_reader_is_reset(
    pair: ExtendedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the one that just received: it may be a small one, and free nothing."""
    monkeypatch.setattr(carrier_module, "PROCESS_BUFFER_BYTES", 3 * INITIAL_WINDOW_BYTES)
    opened = [pair.stalled(rest) for rest in (100_000, 0, 50_000)]
    small = pair.stalled(INITIAL_WINDOW_BYTES - 2 * PIECE)
    assert not any(client.aborted for _, client, _, _ in opened)
    small[2].write(bytes(160_000))
    pair.loop.turn()
    assert [client.aborted for _, client, _, _ in opened] == [False, True, False]
    assert str(opened[1][3].error) == "too much waited for its reader"
    assert not small[1].aborted
    assert not pair.up.reads_paused


def test_small_ones_alone_are_not_reset(pair: ExtendedPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier_module, "PROCESS_BUFFER_BYTES", 3 * PIECE)
    opened = [pair.stalled(INITIAL_WINDOW_BYTES - PIECE) for _ in range(5)]
    assert not any(client.aborted for _, client, _, _ in opened)


def test_a_session_of_before_the_agreement_stays_without_credit() -> None:
    pair = Pair()
    session, client = pair.open()
    pair.loop.turn()
    pair.client.extension = Extension(pair.client, 1, INITIAL_WINDOW_BYTES, can_send=True)
    pair.server.extension = Extension(pair.server, 1, INITIAL_WINDOW_BYTES, can_send=False)
    pair.server_sessions[0].write(bytes(2 * INITIAL_WINDOW_BYTES))
    pair.server_sessions[0].write_eof()
    pair.loop.turn()
    assert len(client.data) == 2 * INITIAL_WINDOW_BYTES
    assert client.closed
    assert not session.window


def test_a_ping_is_answered_and_measured(pair: ExtendedPair) -> None:
    assert pair.client.extension is not None
    answers: list[int] = []
    pair.client.extension.on_pong = answers.append
    assert pair.client.extension.ping(77)
    pair.loop.turn()
    assert answers == [77]


def test_the_server_says_nothing_before_it_has_heard_that_it_is_understood(pair: ExtendedPair) -> None:
    assert pair.server.extension is not None
    assert not pair.server.extension.ping(1)
    pair.opened()
    assert pair.server.extension.ping(1)


def test_frames_for_sessions_that_have_ended_are_no_fault(pair: ExtendedPair) -> None:
    pair.server.write(encode_credit(9, 5) + encode_finish(9) + encode_reset(9, Reason.LOST))
    assert not pair.server.ended


@pytest.mark.parametrize("frames", [
    keep_head(4, 1, 2, 1, 60_000) + bytes(60_000),
    encode_credit(1, 1 << 30),
    encode_credit(2, 5),
    encode_finish(1) + encode_packet(1, b"more", None),
    bytes.fromhex("0004000127 00"),
], ids=["more than was granted", "more credit than can be", "credit for datagrams", "payload after the finish", "unknown status"])
def test_a_peer_that_breaks_the_rules_loses_the_carrier(frames: bytes) -> None:
    pair = ExtendedPair(window=50_000)
    pair.opened()
    pair.server.write(encode_new(2, DNS))
    pair.server.write(frames)
    pair.client.close()
    assert isinstance(pair.server.error, PeerError)


def test_extension_frames_are_a_fault_where_nothing_was_agreed() -> None:
    pair = Pair()
    pair.server.write(encode_ping(1))
    assert isinstance(pair.server.error, PeerError)


# the model: whatever is cut, delayed or paused, nothing is lost, nothing overruns, and nothing waits for ever

PATTERN = bytes(range(256)) * 40
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 2), st.integers(1, 9000)),
        st.tuples(st.just("answer"), st.integers(0, 2), st.integers(1, 9000)),
        st.tuples(st.sampled_from(["pause", "resume", "pause target", "resume target"]), st.integers(0, 2), st.just(0)),
        st.tuples(st.sampled_from(["up", "down"]), st.just(0), st.integers(1, 5000)),
        st.tuples(st.just("time"), st.just(0), st.integers(1, 300)),
    ),
    max_size=120,
)


@settings(max_examples=100, deadline=None)
@given(STEPS, st.booleans())
def test_nothing_is_lost_and_nothing_waits_for_ever(steps: list[tuple[str, int, int]], is_finished: bool) -> None:
    window = 8192
    pair = ExtendedPair(window)
    opened = [pair.opened() for _ in range(3)]
    pair.up.is_open = pair.down.is_open = False
    up, down = [bytearray() for _ in range(3)], [bytearray() for _ in range(3)]
    counter = 0

    def check() -> None:
        for session, _, far, _ in opened:
            for one in (session, far):
                assert one.rx_bytes <= one.window
                assert one.received <= one.rx_limit
                assert one.credit >= 0
                assert (one.tx is None) == (one.tx_bytes == 0)

    for what, number, size in steps:
        session, client, far, target = opened[number]
        counter += 7
        data = PATTERN[counter % 256:][:size]
        if what == "write" and not client.paused:
            session.write(data)
            up[number] += data
        elif what == "answer" and not target.paused:
            far.write(data)
            down[number] += data
        elif what in ("pause", "resume"):
            getattr(session, what)()
        elif what in ("pause target", "resume target"):
            getattr(far, what.split()[0])()
        elif what in ("up", "down"):
            (pair.up if what == "up" else pair.down).pass_on(size)
        elif what == "time":
            pair.loop.advance(size / 1000)
        pair.loop.turn()
        check()
    if is_finished:
        for session, _, far, _ in opened:
            session.write_eof()
            far.write_eof()
    for session, _, far, _ in opened:
        session.resume()
        far.resume()
    settle(pair, check)
    for number, (session, client, far, target) in enumerate(opened):
        assert client.data == down[number]
        assert target.data == up[number]
        assert (client.eof, target.eof) == (is_finished, is_finished)
        assert (session.tx, far.tx) == (None, None)
        assert is_finished or not (client.paused or target.paused)
    assert bool(pair.client.sessions) != is_finished
    pair.end()
    assert (carrier_module._process_waiting, extension_module._process_growth) == (0, 0)


def settle(pair: ExtendedPair, check: Callable[[], None]) -> None:
    """Let everything through until nothing moves."""
    for _ in range(400):
        pair.loop.turn()
        if not pair.up.held and not pair.down.held:
            return
        pair.up.pass_on()
        pair.down.pass_on()
        check()
    raise AssertionError("something goes round for ever")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_frames_make_anything_but_a_peer_error(frames: list[bytes]) -> None:
    pair = ExtendedPair()
    pair.opened()
    for extra in frames:
        status = 0x21 + len(extra) % 7
        body = bytes((0, len(extra) % 3, status, 0)) + extra
        pair.server.write(len(body).to_bytes(2) + body)
        pair.client.write(len(body).to_bytes(2) + body)
        pair.loop.turn()
    for carrier in (pair.client, pair.server):
        assert carrier.error is None or isinstance(carrier.error, (PeerError, LinkDown))
    assert TARGET in pair.destinations
    pair.end()
