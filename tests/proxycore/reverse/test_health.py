"""Whether the far end of a carrier answers: time passes by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxycore.mux.carrier import PROBE
from proxycore.mux.client import MuxClient
from proxycore.mux.codec import encode_end, keep_head
from proxycore.mux.codec_extension import decode_number, encode_ping, encode_pong
from proxycore.mux.extension import INITIAL_WINDOW_BYTES, Extension
from proxycore.net.wheel import Wheel
from proxycore.reverse.health import DEAD_S, UNKNOWN_DEAD_S, Health
from tests.support.loop import ManualLoop
from tests.support.streams import RecordingStream


class Far:
    """A carrier whose other end a test plays."""

    def __init__(self, *, is_ours: bool) -> None:
        self.loop = ManualLoop()
        self.wheel = Wheel(self.loop)
        self.carrier = MuxClient(self.loop, self.wheel)
        self.stream = RecordingStream()
        self.carrier.peer, self.stream.peer = self.stream, self.carrier
        self.changes: list[bool] = []
        self.health = Health(self.carrier, lambda: self.changes.append(self.health.is_quarantined))
        if is_ours:
            self.carrier.extension = Extension(self.carrier, 1, INITIAL_WINDOW_BYTES, can_send=True)
            self.health.attend()
        self.loop.turn()

    def asked(self) -> bytes:
        self.loop.turn()
        return self.stream.take()

    def answer(self) -> None:
        """As any core does, or one of ours."""
        asked = self.asked()
        if self.carrier.extension is None:
            if PROBE in asked:
                self.carrier.write(encode_end(0))
            return
        for at in range(0, len(asked), 14):
            self.carrier.write(encode_pong(decode_number(asked[at + 6 : at + 14])))


@pytest.fixture(params=[True, False], ids=["ours", "another core"])
def far(request: pytest.FixtureRequest) -> Far:
    return Far(is_ours=request.param)


def test_a_peer_that_answers_is_well_for_ever(far: Far) -> None:
    for _ in range(200):
        far.loop.advance(1)
        far.answer()
    assert far.changes == []
    assert not far.carrier.ended


def test_silence_is_known_within_five_seconds_and_a_byte_ends_it(far: Far) -> None:
    for _ in range(10):
        far.loop.advance(1)
        far.answer()
    far.loop.advance(5)
    assert far.changes == [True]
    far.carrier.write(keep_head(4, 9, 2, 0, 0)[:6])         # whatever it is
    far.loop.advance(1)
    assert far.changes == [True, False]


def test_an_answer_ends_it_at_once(far: Far) -> None:
    far.loop.advance(6)
    assert far.changes == [True]
    far.answer()
    assert far.changes == [True, False]


@pytest.mark.parametrize(("is_ours", "limit_s"), [(True, DEAD_S), (False, UNKNOWN_DEAD_S)])
def test_one_that_stays_silent_is_given_up(is_ours: bool, limit_s: float) -> None:
    far = Far(is_ours=is_ours)
    far.loop.advance(limit_s - 1)
    assert not far.carrier.ended
    far.loop.advance(5)
    assert far.carrier.ended
    assert str(far.carrier.error) == "the other side does not answer any more"


def test_one_that_sends_but_does_not_answer_is_passed_over_and_kept() -> None:
    far = Far(is_ours=False)
    for _ in range(100):
        far.loop.advance(1)
        far.carrier.write(keep_head(4, 9, 2, 0, 0)[:6])
    assert far.health.is_unresponsive
    assert not far.health.is_quarantined
    assert not far.carrier.ended
    far.answer()
    assert not far.health.is_unresponsive


def test_while_it_waits_for_an_answer_one_of_ours_still_says_something() -> None:
    far = Far(is_ours=True)
    far.asked()
    far.loop.advance(1)
    assert far.asked() == encode_ping(0)


def test_another_core_that_we_do_not_read_from_is_not_asked() -> None:
    far = Far(is_ours=False)
    far.carrier.stalled_at = 0.0
    far.loop.advance(DEAD_S)
    assert far.asked() == b""


def test_the_round_trip_is_measured() -> None:
    far = Far(is_ours=True)
    far.loop.advance(0.03)
    far.answer()
    assert far.carrier.rtt_s == pytest.approx(0.03)
    far.loop.advance(0.97)
    far.loop.advance(0.07)
    far.answer()
    assert far.carrier.rtt_s == pytest.approx(0.04)


def test_probes_of_an_ended_carrier_stop(far: Far) -> None:
    far.carrier.close()
    done: Callable[[], bytes] = far.asked
    done()
    far.loop.advance(20)
    assert far.asked() == b""
