"""The last probes of an outbound."""

from __future__ import annotations

from math import inf

from proxycore.balancing.observation import Statistics
from proxycore.observatory.samples import Samples


def filled(*delays: int | None, size: int = 4) -> Samples:
    samples = Samples(size, 100.0)
    for at, delay in enumerate(delays):
        samples.put(float(at), delay)
    return samples


def test_nothing_was_probed() -> None:
    assert Samples(4, 100.0).statistics(0.0) == Statistics(0, 0)
    assert Samples(4, 100.0).valid_until_s(0.0) == inf


def test_average_and_deviation_are_those_of_answered_probes() -> None:
    assert filled(70, 130, 70, 130).statistics(4.0) == Statistics(4, 0, 100, 30, 70, 130)
    assert filled(70, None, 130, None).statistics(4.0) == Statistics(4, 2, 100, 30, 70, 130)


def test_a_single_answer_has_half_of_it_as_its_deviation() -> None:
    assert filled(81).statistics(1.0) == Statistics(1, 0, 81, 40, 81, 81)
    assert filled(None, 81).statistics(1.0) == Statistics(2, 1, 81, 40, 81, 81)


def test_only_failures_have_no_delay() -> None:
    assert filled(None, None).statistics(1.0) == Statistics(2, 2)


def test_only_the_last_ones_are_kept() -> None:
    assert filled(1, 1, None, 70, 130, 70, 130).statistics(8.0) == Statistics(4, 0, 100, 30, 70, 130)


def test_a_probe_counts_no_longer_than_it_is_valid() -> None:
    samples = filled(70, 130)               # at 0 and 1
    assert samples.statistics(100.0).all == 2
    assert samples.valid_until_s(100.0) == 100.0
    assert samples.statistics(100.5) == Statistics(1, 0, 130, 65, 130, 130)
    assert samples.valid_until_s(100.5) == 101.0
    assert samples.statistics(101.5) == Statistics(0, 0)
