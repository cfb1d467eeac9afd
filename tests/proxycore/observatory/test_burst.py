"""`burstObservatory`."""

from __future__ import annotations

from itertools import cycle

from proxycore.balancing.observation import DEAD_DELAY_MS, Observation, Statistics
from proxycore.observatory.burst import BurstObservatory
from proxycore.observatory.probe_url import parse_probe_url
from proxycore.observatory.settings import BurstSettings
from tests.proxycore.observatory.web import UNIX_S, URL, World

SETTINGS = BurstSettings("burstObservatory", ("a",), URL, interval_s=10.0, sampling=4)
MS = 1_000_000


def observatory(world: World, settings: BurstSettings = SETTINGS) -> BurstObservatory:
    """Its probes are spread evenly over the 40 s of a round: after 5, 15, 25 and 35 s."""
    places = cycle((0.125, 0.375, 0.625, 0.875))
    return BurstObservatory(settings, world.around, lambda: next(places))


def test_each_is_probed_at_once_and_then_so_many_times_per_round() -> None:
    world = World()
    webs = [world.web("a1"), world.web("a2"), world.web("b")]
    one = observatory(world)
    one.start()
    counts = []
    for seconds in (1, 5, 10, 10, 10, 10, 10):          # up to 1, 6, 16, 26, 36, 46, 56
        world.loop.advance(seconds)
        counts.append([len(web.requests) for web in webs])
    assert counts == [[1, 1, 0], [2, 2, 0], [3, 3, 0], [4, 4, 0], [5, 5, 0], [6, 6, 0], [7, 7, 0]]


def test_chance_spreads_the_probes_over_the_whole_round() -> None:
    world = World()
    web = world.web("a1")
    one = BurstObservatory(SETTINGS, world.around, lambda: 0.999)
    one.start()
    world.loop.advance(39.9)
    assert len(web.requests) == 1
    world.loop.advance(0.09)
    assert len(web.requests) == 5


def test_the_last_probes_make_average_and_deviation() -> None:
    world = World()
    web = world.web("a1", 0.125)
    one = observatory(world)
    one.start()
    world.loop.advance(1.0)
    at = UNIX_S + 0.125
    assert one.observations == {
        "a1": Observation(True, 125, at, at, 0, "", Statistics(1, 0, 125 * MS, 62_500_000, 125 * MS, 125 * MS))}
    web.delay_s = 0.25
    world.loop.advance(5.0)
    at = UNIX_S + 5.25
    assert one.observations == {
        "a1": Observation(True, 187, at, at, 0, "", Statistics(2, 0, 187_500_000, 62_500_000, 125 * MS, 250 * MS))}


def test_one_failure_is_not_yet_death() -> None:
    world = World()
    web = world.web("a1", 0.07)
    one = observatory(world)
    one.start()
    world.loop.advance(1.0)
    web.refuses = True
    world.loop.advance(26.0)                    # three failures
    seen = one.observations["a1"]
    assert (seen.is_alive, seen.failures, seen.error, seen.delay_ms) == (True, 3, "tcp:probe.example:80: refused", 70)
    world.loop.advance(10.0)                    # the fourth pushes the only answer out
    seen = one.observations["a1"]
    assert (seen.is_alive, seen.failures, seen.delay_ms) == (False, 4, DEAD_DELAY_MS)


def test_old_probes_do_not_count() -> None:
    world = World()
    world.web("a1", 0.07)
    one = observatory(world)
    one.start()
    world.loop.advance(1.0)
    one.stop()
    world.loop.advance(79.0)                    # a probe counts for two rounds
    assert one.observations["a1"].is_alive
    world.loop.advance(1.0)
    assert not one.observations["a1"].is_alive


def test_while_this_host_is_offline_failures_do_not_count() -> None:
    world = World()
    web = world.web("a1", 0.07)
    one = observatory(world, SETTINGS._replace(connectivity=parse_probe_url("http://here.example/")))
    one.start()
    world.loop.advance(1.0)
    assert world.direct.requests == []          # nothing has failed
    web.refuses = world.direct.refuses = True
    world.loop.advance(10.0)
    assert len(world.direct.requests) == 1
    assert (one.observations["a1"].failures, one.observations["a1"].last_try) == (0, UNIX_S + 0.07)
    world.direct.refuses = False
    world.loop.advance(10.0)
    assert one.observations["a1"].failures == 1


def test_outbounds_that_come_and_go_are_noticed_with_the_next_round() -> None:
    world = World()
    world.web("a1")
    one = observatory(world)
    one.start()
    world.loop.advance(1.0)
    del world.outbounds["a1"]
    world.web("a2")
    world.loop.advance(50.0)
    assert set(one.observations) == {"a2"}


def test_it_stops_at_once_and_can_go_on() -> None:
    world = World()
    web = world.web("a1", 2.0)
    one = observatory(world)
    one.start()
    one.start()
    world.loop.advance(6.0)                     # the second probe is under way
    one.stop()
    one.stop()
    world.loop.advance(100.0)
    assert (len(web.requests), web.running) == (2, 0)
    one.start()
    world.loop.advance(3.0)
    assert (len(web.requests), one.observations["a1"].is_alive) == (3, True)


def test_the_method_is_what_the_settings_say_and_get_waits_for_the_body() -> None:
    world = World()
    web = world.web("a1")
    web.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    one = observatory(world)
    one.start()
    world.loop.advance(1.0)
    assert web.servers[0].take().startswith(b"HEAD /204?x ")
    assert one.observations["a1"].is_alive
    one.stop()
    other = observatory(world, SETTINGS._replace(method="GET", timeout_s=2.0))
    other.start()
    world.loop.advance(1.0)
    assert other.observations == {}
    world.loop.advance(2.0)
    assert other.observations["a1"].error == "no answer within 2 s"


def test_asking_again_costs_nothing_while_nothing_changes() -> None:
    world = World()
    world.web("a1", 0.07)
    one = observatory(world)
    one.start()
    world.loop.advance(1.0)
    assert one.observations is one.observations
