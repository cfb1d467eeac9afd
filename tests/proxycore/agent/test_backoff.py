from __future__ import annotations

import random

from proxycore.agent.backoff import Backoff


def test_each_delay_is_longer_up_to_the_longest_and_cut_by_chance() -> None:
    backoff = Backoff(0.5, 30, random.Random(1))
    delays = [backoff.next_s() for _ in range(9)]
    for delay, whole in zip(delays, (0.5, 1, 2, 4, 8, 16, 30, 30, 30), strict=True):
        assert whole / 2 <= delay <= whole
    assert len(set(delays)) == 9


def test_after_a_reset_it_begins_anew() -> None:
    backoff = Backoff(0.5, 30)
    for _ in range(5):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 0.5


def test_two_that_began_together_do_not_come_back_together() -> None:
    assert Backoff(0.5, 30).next_s() != Backoff(0.5, 30).next_s()
