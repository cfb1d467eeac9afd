"""`observatory`."""

from __future__ import annotations

from proxycore.balancing.observation import DEAD_DELAY_MS, Observation
from proxycore.observatory.settings import ObservatorySettings
from proxycore.observatory.simple import SimpleObservatory
from tests.proxycore.observatory.web import UNIX_S, URL, World


def observatory(world: World, *, is_concurrent: bool = False) -> SimpleObservatory:
    return SimpleObservatory(ObservatorySettings("observatory", ("a",), URL, 10.0, is_concurrent), world.around)


def test_one_outbound_after_the_other_with_a_pause_after_each() -> None:
    world = World()
    webs = {tag: world.web(tag, 0.5) for tag in ("a2", "b", "a1")}
    one = observatory(world)
    one.start()
    world.loop.advance(33.0)
    assert {tag: web.asked_at for tag, web in webs.items()} == {"a1": [0.0, 21.0], "a2": [10.5, 31.5], "b": []}


def test_all_at_once_and_then_a_pause() -> None:
    world = World()
    quick, slow = world.web("a1", 0.1), world.web("a2", 3.0)
    one = observatory(world, is_concurrent=True)
    one.start()
    world.loop.advance(12.9)
    assert (len(quick.requests), len(slow.requests)) == (1, 1)
    world.loop.advance(0.2)
    assert (len(quick.requests), len(slow.requests)) == (2, 2)


def test_what_was_seen_is_told_in_milliseconds() -> None:
    world = World()
    world.web("a1", 0.25)
    one = observatory(world)
    assert one.observations == {}
    one.start()
    world.loop.advance(1.0)
    assert one.observations == {"a1": Observation(True, 250, UNIX_S + 0.25, UNIX_S + 0.25)}


def test_one_failure_is_death_and_one_answer_is_life() -> None:
    world = World()
    web = world.web("a1", 0.5)
    one = observatory(world)
    one.start()
    world.loop.advance(1.0)                     # answered at 0.5
    web.refuses = True
    world.loop.advance(20.0)                    # refused at 10.5 and 20.5
    assert one.observations["a1"] == Observation(
        False, DEAD_DELAY_MS, UNIX_S + 20.5, UNIX_S + 0.5, 2, "tcp:probe.example:80: refused")
    web.refuses = False
    world.loop.advance(10.5)
    assert one.observations["a1"] == Observation(True, 500, UNIX_S + 31.0, UNIX_S + 31.0)


def test_outbounds_that_come_and_go_are_noticed() -> None:
    world = World()
    one = observatory(world)
    one.start()
    world.loop.advance(35.0)                    # nothing to observe: it looks again after each pause
    world.web("a1")
    world.loop.advance(10.0)
    assert set(one.observations) == {"a1"}
    del world.outbounds["a1"]
    world.web("a2")
    world.loop.advance(20.0)
    assert set(one.observations) == {"a2"}


def test_it_stops_at_once_and_can_go_on() -> None:
    world = World()
    web = world.web("a1", 2.0)
    one = observatory(world)
    one.start()
    one.start()
    world.loop.advance(1.0)
    one.stop()
    one.stop()
    world.loop.advance(100.0)
    assert (len(web.requests), web.running, dict(one.observations)) == (1, 0, {})
    one.start()
    world.loop.advance(2.5)
    assert one.observations["a1"].is_alive
    one.stop()                                  # in the pause
    world.loop.advance(100.0)
    assert len(web.requests) == 2
    assert one.observations["a1"].delay_ms == 2000      # what was seen is kept


def test_without_a_selector_nothing_happens() -> None:
    world = World()
    web = world.web("a1")
    one = SimpleObservatory(ObservatorySettings("observatory", (), URL), world.around)
    one.start()
    world.loop.advance(100.0)
    assert web.requests == []
