from __future__ import annotations

import pytest

from proxycore.messages.beat import AGENT_S, BEAT_S, LEAST_S, PANEL_S, WORKER_S, until_next


@pytest.mark.parametrize(("clock_s", "phase_s", "left_s"), [
    (1000.0, WORKER_S, 1.0), (1000.4, WORKER_S, 0.6), (1000.0, AGENT_S, 1.25), (999.75, AGENT_S, 0.5), (1000.9, PANEL_S, 0.6),
])
def test_it_is_the_next_moment_of_its_phase(clock_s: float, phase_s: float, left_s: float) -> None:
    assert until_next(clock_s, phase_s) == pytest.approx(left_s)


def test_who_is_late_skips_none_and_never_hurries() -> None:
    for late in range(1000):
        left = until_next(1000 + late / 1000, WORKER_S)
        assert LEAST_S <= left < BEAT_S + LEAST_S


def test_what_a_worker_sees_is_with_the_pages_in_less_than_two_beats() -> None:
    seen_at = 1000.001
    for phase in (WORKER_S, AGENT_S, PANEL_S):
        seen_at = next(moment + phase for moment in range(1000, 1010) if moment + phase > seen_at)
    assert seen_at - 1000.001 < 1.6 * BEAT_S
