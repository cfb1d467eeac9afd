"""leastLoad."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.balancing.costs import Cost
from proxycore.balancing.least_load import LeastLoadSettings, LeastLoadStrategy
from proxycore.balancing.observation import Observation, Observations
from proxycore.routing.patterns import Pattern
from tests.proxycore.balancing.observed import MS, alive, burst, dead, fair_share, never

FIVE = {"a": burst(50, 12), "b": burst(50, 25), "c": burst(50, 31), "d": burst(50, 40), "e": burst(50, 41)}
TAGS = list(FIVE)


def selected(settings: LeastLoadSettings, seen: Observations = FIVE, tags: list[str] = TAGS) -> str:
    return "".join(LeastLoadStrategy(settings).select(tags, seen))


def baselines(*values_ms: int, expected: int = 0) -> LeastLoadSettings:
    return LeastLoadSettings(expected, baselines_ns=tuple(value * MS for value in values_ms))


@pytest.mark.parametrize(
    ("settings", "tags"),
    [
        (LeastLoadSettings(), "a"),
        (LeastLoadSettings(3), "abc"),
        (LeastLoadSettings(5), "abcde"),
        (LeastLoadSettings(6), "abcde"),
        (baselines(20), "a"),
        (baselines(25), "a"),                       # under a baseline, not at it
        (baselines(26), "ab"),
        (baselines(10, 35), "abc"),                 # the first one under which there is one
        (baselines(10), ""),                        # none is good enough, and none is expected
        (baselines(10, expected=1), "a"),
        (baselines(20, 35, expected=2), "abc"),
        (baselines(20, 35, expected=4), "abcd"),    # no baseline is enough
        (baselines(35, 20, expected=1), "abc"),
        (baselines(10, expected=9), "abcde"),
    ],
)
def test_how_many_are_chosen_among(settings: LeastLoadSettings, tags: str) -> None:
    assert selected(settings) == tags


@pytest.mark.parametrize(
    ("seen", "order"),
    [
        ({"a": burst(9, 20), "b": burst(50, 10)}, "ba"),                                 # the deviation first
        ({"a": burst(51, 10), "b": burst(50, 10)}, "ba"),                                # then the average
        ({"a": burst(50, 10, 10, 2), "b": burst(50, 10, 10, 1)}, "ba"),                  # then fewer failures
        ({"a": burst(50, 10, 9, 1), "b": burst(50, 10, 10, 1)}, "ba"),                   # then more probes
        ({"b": burst(50, 10), "a": burst(50, 10)}, "ab"),                                # then the tag
        ({"a": alive(40), "b": alive(30), "c": dead()}, "ba"),                           # without statistics the delay
    ],
)
def test_the_order_of_preference(seen: dict[str, Observation], order: str) -> None:
    assert selected(LeastLoadSettings(9), seen, ["a", "b", "c"]) == order


@pytest.mark.parametrize(
    ("settings", "seen", "tags"),
    [
        (LeastLoadSettings(9, max_rtt_ns=50 * MS), {"a": burst(49, 1), "b": burst(50, 1)}, "a"),
        (LeastLoadSettings(9), {"a": burst(49, 1), "b": burst(50_000, 1)}, "ab"),
        (LeastLoadSettings(9, tolerance=0.25), {"a": burst(9, 1, 4, 1), "b": burst(9, 2, 4, 2)}, "a"),
        (LeastLoadSettings(9), {"a": burst(9, 1, 4, 1), "b": burst(9, 2, 4, 3)}, "ab"),
        (LeastLoadSettings(9), {"a": burst(0, 0, 4, 4), "x": burst(1, 1)}, ""),
        (LeastLoadSettings(9, tolerance=0.25), {"a": alive(9)}, "a"),
        (LeastLoadSettings(9), {}, ""),
    ],
)
def test_what_is_not_good_enough_is_left_out(settings: LeastLoadSettings, seen: dict[str, Observation], tags: str) -> None:
    assert selected(settings, seen) == tags


def test_costs_change_the_order() -> None:
    settings = LeastLoadSettings(9, costs=(Cost("a", None, 9.0),))
    assert selected(settings, {"a": burst(50, 10), "b": burst(50, 29), "c": burst(50, 31)}) == "bac"


def test_one_of_the_best_is_chosen_by_chance() -> None:
    strategy = LeastLoadStrategy(LeastLoadSettings(3))
    assert fair_share(lambda roll: strategy.choose(TAGS, FIVE, roll).tag, ["a", "b", "c"])
    assert LeastLoadStrategy(LeastLoadSettings()).choose(TAGS, FIVE, never) == ("a", "its load is the least")
    assert strategy.choose(TAGS, None, never).tag is None


@given(
    st.builds(
        LeastLoadSettings, st.integers(0, 6), st.integers(0, 100 * MS), st.floats(0, 1),
        st.lists(st.integers(1, 60 * MS), max_size=3).map(tuple),
        st.lists(st.builds(Cost, pattern=st.none() | st.builds(Pattern, st.sampled_from(["^a", "[0-9]+$", "b"])))).map(tuple)),
    st.dictionaries(st.sampled_from(TAGS), st.builds(burst, st.integers(0, 99), st.integers(0, 99), st.integers(1, 9))),
)
def test_the_chosen_are_the_best_of_the_candidates_each_once(settings: LeastLoadSettings, seen: Observations) -> None:
    strategy = LeastLoadStrategy(settings)
    chosen = strategy.select(TAGS, seen)
    everybody = LeastLoadStrategy(settings._replace(expected=9)).select(TAGS, seen)
    assert chosen == everybody[: len(chosen)]
    assert len(chosen) == len(everybody) or len(chosen) >= min(settings.expected, len(everybody))
