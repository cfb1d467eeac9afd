"""Balancers with their observatory."""

from __future__ import annotations

from proxycore.balancing.balancer import BalancerPlan
from proxycore.observatory.balancing import Balancing, make_observatory
from proxycore.observatory.burst import BurstObservatory
from proxycore.observatory.settings import BurstSettings, ObservatorySettings
from proxycore.observatory.simple import SimpleObservatory
from tests.proxycore.observatory.web import URL, World

PING = BalancerPlan("routing.balancers[0]", "ping", ("a",), "leastPing", fallback_tag="last")
TURNS = BalancerPlan("routing.balancers[1]", "turns", ("a",), "roundRobin", fallback_tag="last")
OBSERVED = ObservatorySettings("observatory", ("a",), URL, 1.0, is_concurrent=True)


def test_the_observatory_decides_what_balancers_pick() -> None:
    world = World()
    first, second = world.web("a1", 0.2), world.web("a2", 0.1)
    world.web("last")
    balancing = Balancing([PING, TURNS], OBSERVED, world.around)
    assert (balancing.pick("ping").tag, balancing.pick("turns").tag) == ("last", "a1")
    balancing.start()
    world.loop.advance(0.5)
    assert balancing.pick("ping") == ("a2", "its delay of 100 ms is the smallest")
    second.refuses = True
    world.loop.advance(2.0)
    assert (balancing.pick("ping").tag, balancing.pick("turns").tag, balancing.preview("turns").tag) == ("a1", "a1", "a1")
    first.refuses = True
    world.loop.advance(2.0)
    assert (balancing.pick("ping").tag, balancing.pick("turns").tag) == ("last", "last")
    assert {tag: seen.is_alive for tag, seen in balancing.observations.items()} == {"a1": False, "a2": False}
    balancing.stop()
    asked = len(first.requests)
    world.loop.advance(50.0)
    assert len(first.requests) == asked


def test_without_an_observatory_there_are_no_observations() -> None:
    world = World()
    world.web("a1")
    balancing = Balancing([TURNS], None, world.around)
    balancing.start()
    assert (balancing.pick("turns").tag, balancing.observations) == ("a1", {})
    balancing.stop()


def test_the_settings_say_which_kind_of_observatory_it_is() -> None:
    world = World()
    assert isinstance(make_observatory(OBSERVED, world.around), SimpleObservatory)
    assert isinstance(make_observatory(BurstSettings("burstObservatory", ("a",), URL), world.around), BurstObservatory)
