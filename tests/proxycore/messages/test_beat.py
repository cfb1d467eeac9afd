from __future__ import annotations

import pytest

from proxycore.messages.beat import AGENT_S, BEAT_S, GATHER_S, LEAST_S, WORKER_S, Gathering, until_next


@pytest.mark.parametrize(("clock_s", "phase_s", "left_s"), [
    (1000.0, WORKER_S, 1.0), (1000.4, WORKER_S, 0.6), (1000.0, AGENT_S, 1.15), (999.5, AGENT_S, 0.65), (1000.9, WORKER_S, 1.1),
])
def test_it_is_the_next_moment_of_its_phase(clock_s: float, phase_s: float, left_s: float) -> None:
    assert until_next(clock_s, phase_s) == pytest.approx(left_s)


def test_who_is_late_skips_none_and_never_hurries() -> None:
    for late in range(1000):
        left = until_next(1000 + late / 1000, WORKER_S)
        assert LEAST_S <= left < BEAT_S + LEAST_S


def test_what_comes_together_is_told_once_and_soon() -> None:
    gathering = Gathering()
    assert gathering.due is None
    assert gathering.changed(1000.0)
    assert not gathering.changed(1000.05)
    assert gathering.due == pytest.approx(1000.0 + GATHER_S)
    gathering.told(1000.1)
    assert gathering.due is None
    assert gathering.changed(1001.0)
    assert gathering.due == pytest.approx(1001.0 + GATHER_S)


def test_who_has_just_spoken_waits() -> None:
    gathering = Gathering()
    gathering.told(1000.0)
    assert gathering.changed(1000.2)
    assert gathering.due == 1000.0 + LEAST_S


def test_a_workers_state_waits_for_no_beat_but_its_own() -> None:
    """The agent and the panel gather, one after the other; at right clocks each of them speaks once in a beat."""
    agent, panel = Gathering(), Gathering()
    for second in range(1000, 1010):
        for worker in range(10):
            agent.changed(second + worker / 1000)
        assert agent.due is not None
        assert second + AGENT_S > agent.due, "or its host's figures would go before"
        panel.changed(at := agent.due)
        agent.told(at)
        assert panel.due is not None
        assert panel.due - second <= 2 * GATHER_S + 0.001
        panel.told(panel.due)
