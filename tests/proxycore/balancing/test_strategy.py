"""random, roundRobin and leastPing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.balancing.observation import Observation
from proxycore.balancing.strategy import LeastPingStrategy, RandomStrategy, RoundRobinStrategy, Strategy
from tests.proxycore.balancing.observed import alive, burst, dead, fair_share, never, rolls

TAGS = ["a", "b", "c"]


def test_random_chooses_each_with_the_same_chance() -> None:
    assert fair_share(lambda roll: RandomStrategy().choose(TAGS, None, roll).tag, TAGS)


def test_random_passes_over_what_is_known_to_be_dead_and_takes_the_unknown_for_alive() -> None:
    seen = {"a": dead(), "b": alive(5)}
    assert fair_share(lambda roll: RandomStrategy().choose(TAGS, seen, roll).tag, ["b", "c"])
    choice = RandomStrategy().choose(TAGS, {tag: dead() for tag in TAGS}, never)
    assert choice == (None, "none of its outbounds is alive")


def test_round_robin_goes_by_turns_in_the_order_of_tags() -> None:
    strategy = RoundRobinStrategy()
    assert [strategy.choose(TAGS, None, never).tag for _ in range(7)] == ["a", "b", "c", "a", "b", "c", "a"]


def test_round_robin_goes_on_when_some_die() -> None:
    strategy = RoundRobinStrategy()
    assert [strategy.choose(TAGS, None, never).tag for _ in range(2)] == ["a", "b"]
    seen = {"b": dead()}
    assert [strategy.choose(TAGS, seen, never).tag for _ in range(4)] == ["a", "c", "a", "c"]
    assert strategy.choose(["b"], seen, never).tag is None


def test_a_preview_takes_nobody_s_turn() -> None:
    strategy = RoundRobinStrategy()
    strategy.choose(TAGS, None, never)
    assert [strategy.preview(TAGS, None, never).tag for _ in range(3)] == ["b", "b", "b"]
    assert strategy.choose(TAGS, None, never) == ("b", "it is its turn, of a, b, c")


@pytest.mark.parametrize(
    ("seen", "tag"),
    [
        ({"a": alive(30), "b": alive(20), "c": alive(25)}, "b"),
        ({"a": alive(20), "b": alive(20)}, "a"),
        ({"a": dead(), "b": alive(900)}, "b"),
        ({"c": alive(0)}, "c"),
        ({"x": alive(1)}, None),
        ({"a": dead()}, None),
        ({"a": alive(99_999_999)}, None),
        ({"a": burst(40, 1), "b": burst(30, 20)}, "b"),
        ({"a": burst(1, 1, 3, 3), "b": burst(30, 20)}, "b"),
        ({}, None),
        (None, None),
    ],
)
def test_least_ping_chooses_the_smallest_delay_of_those_seen_alive(seen: dict[str, Observation] | None, tag: str | None) -> None:
    assert LeastPingStrategy().choose(TAGS, seen, never).tag == tag


def test_a_choice_says_why() -> None:
    assert LeastPingStrategy().choose(TAGS, {"b": alive(12)}, never).why == "its delay of 12 ms is the smallest"
    assert LeastPingStrategy().choose(TAGS, None, never).why == "none of its outbounds has been seen alive"
    assert RandomStrategy().choose(["a", "b", "c", "d"], None, rolls(3)) == ("d", "by chance, of a, b, c and 1 more")


_SEEN = st.one_of(
    st.builds(alive, st.integers(0, 10**9)), st.builds(dead), st.builds(burst, st.integers(0, 10**6), st.integers(0, 10**6)))


@given(
    tags=st.lists(st.text("abc", min_size=1), unique=True).map(sorted),
    seen=st.none() | st.dictionaries(st.text("abc", min_size=1), _SEEN),
    kind=st.sampled_from([RandomStrategy, RoundRobinStrategy, LeastPingStrategy]),
    number=st.integers(0, 10**6),
)
def test_only_a_candidate_that_is_not_known_to_be_dead_is_ever_chosen(
    tags: list[str], seen: dict[str, Observation] | None, kind: type[Strategy], number: int
) -> None:
    strategy = kind()
    for _ in range(3):
        tag = strategy.choose(tags, seen, lambda limit: number % limit).tag
        assert tag is None or (tag in tags and (seen is None or tag not in seen or seen[tag].is_alive))
