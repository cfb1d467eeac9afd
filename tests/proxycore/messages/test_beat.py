from __future__ import annotations

import pytest

from proxycore.messages.beat import AGENT_S, BEAT_S, GATHER_S, IDLE_S, LEAST_S, MOST_S, WORKER_S, Gathering, until_next


@pytest.mark.parametrize(("clock_s", "phase_s", "left_s"), [
    (1000.0, WORKER_S, 1.0), (1000.4, WORKER_S, 0.6), (1000.0, AGENT_S, 1.15), (999.5, AGENT_S, 0.65), (1000.9, WORKER_S, 1.1),
])
def test_it_is_the_next_moment_of_its_phase(clock_s: float, phase_s: float, left_s: float) -> None:
    assert until_next(clock_s, phase_s) == pytest.approx(left_s)


def test_an_agent_waits_for_workers_that_are_late() -> None:
    for late in range(1000):
        left = until_next(1000 + late / 1000, AGENT_S, IDLE_S)
        assert IDLE_S <= left <= BEAT_S + IDLE_S
        assert (late / 1000 + left) % 1 == pytest.approx(AGENT_S)


def test_who_is_late_skips_none_and_never_hurries() -> None:
    for late in range(1000):
        left = until_next(1000 + late / 1000, WORKER_S)
        assert LEAST_S <= left <= BEAT_S + LEAST_S


def test_what_comes_together_is_told_once_and_soon() -> None:
    gathering = Gathering()
    assert gathering.due is None
    assert gathering.changed(1000.0)
    assert not gathering.changed(1000.05)
    assert gathering.due == pytest.approx(1000.0 + GATHER_S)
    gathering.telling(1000.1)
    gathering.told(1000.1, 1000.11)
    assert gathering.due is None
    assert gathering.changed(1001.0)
    assert gathering.due == pytest.approx(1001.0 + GATHER_S)


def test_who_has_just_spoken_waits() -> None:
    gathering = Gathering()
    gathering.telling(1000.0)
    assert gathering.changed(1000.2)
    assert gathering.due == 1000.0 + LEAST_S


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.01, LEAST_S), (0.07, 0.7), (0.2, MOST_S), (20.0, MOST_S)])
def test_who_takes_long_speaks_more_seldom_but_not_for_ever(took_s: float, pause_s: float) -> None:
    gathering = Gathering()
    gathering.telling(1000.0)
    gathering.changed(1000.001)
    gathering.told(1000.0, 1000.0 + took_s)
    assert gathering.due == pytest.approx(1000.0 + pause_s)


def test_who_was_late_is_in_step_again_soon() -> None:
    panel, waits = Gathering(), []
    panel.telling(1000.95)              # a busy moment: it took long, and so did the next ones
    panel.told(1000.95, 1001.15)
    for second in range(1001, 1010):
        panel.changed(second + 0.16)
        assert panel.due is not None
        waits.append((at := panel.due) - second - 0.16)
        panel.telling(at)
        panel.told(at, at + 0.2)
    assert waits[0] > 0.5
    assert waits[4:] == pytest.approx([GATHER_S] * 5)


def test_a_workers_state_waits_for_no_beat_but_its_own() -> None:
    """The agent and the panel gather, one after the other; at right clocks each of them speaks once in a beat."""
    agent, panel = Gathering(), Gathering()
    for second in range(1000, 1010):
        for worker in range(10):
            agent.changed(second + worker / 1000)
        assert agent.due is not None
        assert second + AGENT_S > agent.due, "or its host's figures would go before"
        panel.changed(at := agent.due)
        agent.telling(at)
        assert panel.due is not None
        assert panel.due - second <= 2 * GATHER_S + 0.001
        panel.telling(panel.due)
