"""Shorthand for tests of balancing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from proxycore.balancing.observation import DEAD_DELAY_MS, Observation, Statistics

MS = 1_000_000      # ns


def alive(delay_ms: int) -> Observation:
    """As an observatory tells it."""
    return Observation(True, delay_ms, 1000.0, 1000.0)


def dead() -> Observation:
    return Observation(False, DEAD_DELAY_MS, 1000.0, 0.0, 1, "refused")


def burst(average_ms: int, deviation_ms: int, probes: int = 10, failed: int = 0) -> Observation:
    """As a burstObservatory tells it."""
    statistics = Statistics(probes, failed, average_ms * MS, deviation_ms * MS, 0, 0)
    return Observation(probes != failed, average_ms, 1000.0, 1000.0, failed, "", statistics)


def rolls(*numbers: int) -> Callable[[int], int]:
    """Chance that gives these numbers, each of which has to be possible."""
    left: Iterator[int] = iter(numbers)

    def roll(limit: int) -> int:
        number = next(left)
        assert 0 <= number < limit
        return number

    return roll


def never(limit: int) -> int:
    raise AssertionError(f"nobody should roll (of {limit})")


def fair_share(choose: Callable[[Callable[[int], int]], str | None], tags: Sequence[str]) -> bool:
    """Whether every tag is chosen by exactly one of the numbers that chance can give."""
    return [choose(rolls(number)) for number in range(len(tags))] == list(tags)
