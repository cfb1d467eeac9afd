"""A balancer: its candidates, tunnels without a bridge, fallbackTag; and the router that asks it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from proxycore.balancing.balancer import Balancer, BalancerPlan, StrategyName, select
from proxycore.balancing.observation import Observations
from proxycore.routing.router import Router
from proxycore.routing.rule import InboundTagCondition, Rule
from tests.proxycore.balancing.observed import alive, dead, never, rolls
from tests.proxycore.routing.requests import request


class Out:
    def __init__(self, *, is_up: bool = True) -> None:
        self.is_up = is_up

    def is_usable(self) -> bool:
        return self.is_up


def plan(*selector: str, strategy: StrategyName = "roundRobin", fallback: str = "") -> BalancerPlan:
    return BalancerPlan("routing.balancers[0]", "b", selector, strategy, fallback_tag=fallback)


def balancer(plan: BalancerPlan, members: Mapping[str, Out], seen: Observations | None = None) -> Balancer:
    return Balancer(plan, members, None if seen is None else lambda: seen, never)


@pytest.mark.parametrize(
    ("selector", "tags"),
    [
        (("a",), ["a", "a1", "ab"]), (("a1", "a"), ["a", "a1", "ab"]), (("A",), []), (("b", "ab"), ["ab", "b"]),
        (("",), ["a", "a1", "ab", "b"]), ((), []),
    ],
)
def test_the_selector_is_the_beginnings_of_tags(selector: tuple[str, ...], tags: list[str]) -> None:
    assert select(["b", "ab", "a1", "a", ""], selector) == tags


def test_outbounds_that_come_later_are_candidates_too() -> None:
    members = {"a2": Out()}
    one = balancer(plan("a"), members)
    assert one.pick().tag == "a2"
    members["a1"] = Out()
    assert one.candidates == ["a1", "a2"]
    del members["a2"]
    assert [one.pick().tag for _ in range(2)] == ["a1", "a1"]


def test_a_tunnel_without_a_bridge_is_passed_over_whatever_was_observed() -> None:
    members = {"a1": Out(is_up=False), "a2": Out()}
    assert [balancer(plan("a"), members).pick().tag for _ in range(2)] == ["a2", "a2"]
    seen = {"a1": alive(1), "a2": alive(500)}
    least = balancer(plan("a", strategy="leastPing"), members, seen)
    assert least.pick().tag == "a2"
    members["a1"].is_up = True
    assert least.pick().tag == "a1"


def test_where_no_tunnel_has_a_bridge_one_of_them_gets_the_request_unless_there_is_a_fallback() -> None:
    members = {"a1": Out(is_up=False), "a2": Out(is_up=False), "last": Out()}
    waits = balancer(plan("a"), members)
    assert [waits.pick().tag for _ in range(3)] == ["a1", "a2", "a1"]
    assert balancer(plan("a", fallback="last"), members).pick() == ("last", "none of its tunnels has a bridge: its fallbackTag")


def test_what_was_observed_counts_for_random_and_round_robin_with_a_fallback_only() -> None:
    members = {"a1": Out(), "a2": Out(), "last": Out()}
    seen = {"a1": dead()}
    assert [balancer(plan("a"), members, seen).pick().tag for _ in range(2)] == ["a1", "a1"]
    with_fallback = balancer(plan("a", fallback="last"), members, seen)
    assert [with_fallback.pick().tag for _ in range(2)] == ["a2", "a2"]
    assert balancer(plan("a", fallback="last"), members, {"a1": dead(), "a2": dead()}).pick().tag == "last"


def test_without_an_observatory_all_count_as_alive_and_least_ping_never_chooses() -> None:
    members = {"a1": Out(), "last": Out()}
    assert balancer(plan("a", fallback="last"), members).pick().tag == "a1"
    assert balancer(plan("a", strategy="leastPing", fallback="last"), members).pick().tag == "last"
    assert balancer(plan("a", strategy="leastPing"), members).pick().tag is None


def test_a_selector_that_fits_nothing_leads_to_the_fallback() -> None:
    members = {"last": Out()}
    assert balancer(plan("a", fallback="last"), members).pick() == ("last", "its selector fits no outbound: its fallbackTag")
    assert balancer(plan("a"), members).pick() == (None, "its selector fits no outbound")


class OneBalancing:
    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer

    def pick(self, tag: str) -> object:
        assert tag == "b"
        return self._balancer.pick()

    def preview(self, tag: str) -> object:
        return self._balancer.preview()


def router(balancer: Balancer) -> Router:
    made = Router.compile([Rule("first", "", (InboundTagCondition(["in"]),), "b")], "direct")
    made.balancing = OneBalancing(balancer)     # type: ignore[assignment]
    return made


def test_the_router_asks_the_balancer_of_the_rule_that_matched() -> None:
    made = router(balancer(plan("a"), {"a1": Out(), "a2": Out()}))
    assert [made.pick(request(tag="in")) for _ in range(3)] == ["a1", "a2", "a1"]
    assert made.pick(request(tag="other")) == "direct"


def test_where_a_balancer_has_nothing_the_default_outbound_is_taken() -> None:
    made = router(balancer(plan("x"), {"a1": Out()}))
    assert made.pick(request(tag="in")) == "direct"
    (step,) = made.explain(request(tag="in"))
    assert step.why == (
        'the inbound tag "in" is in: goes to the balancer b, which picks none: its selector fits no outbound; '
        'so to the first outbound, "direct"')


def test_an_explanation_names_the_pick_and_takes_nobody_s_turn() -> None:
    made = router(balancer(plan("a"), {"a1": Out(), "a2": Out()}))
    for _ in range(2):
        (step,) = made.explain(request(tag="in"))
        assert (step.label, step.matched) == ("first", True)
        assert step.why == (
            'the inbound tag "in" is in: goes to the balancer b, which picks a1: it is its turn, of a1, a2')
    assert made.pick(request(tag="in")) == "a1"


def test_chance_is_given() -> None:
    one = Balancer(plan("a", strategy="random"), {"a1": Out(), "a2": Out()}, None, rolls(1, 0))
    assert [one.pick().tag, one.pick().tag] == ["a2", "a1"]
