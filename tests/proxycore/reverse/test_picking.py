"""Which carrier a new session gets."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address

import pytest

from proxycore.destination import Destination, Request
from proxycore.mux.client import MuxClient
from proxycore.mux.session import MuxSession
from proxycore.net.wheel import Wheel
from proxycore.reverse.link import Link
from proxycore.reverse.picking import EJECT_AFTER, EJECT_S, SLOW_START_S, Picker, Picking
from tests.support.loop import ManualLoop
from tests.support.streams import RecordingStream

WEB = Destination("tcp", IPv4Address("127.0.0.1"), 80)


class World:
    def __init__(self, picking: Picking | None = None) -> None:
        self.loop = ManualLoop()
        self.wheel = Wheel()            # nobody is asked whether he answers
        self.picker = Picker(picking)
        self.links: list[Link] = []

    def link(self, credential: str, *, rtt_s: float | None = None) -> Link:
        carrier = MuxClient(self.loop, self.wheel)
        carrier.peer = RecordingStream()
        carrier.rtt_s = rtt_s
        link = Link(carrier, Request(WEB, "interconn", user=credential), self.loop.time())
        link.watch(lambda _link: None)
        self.picker.came(credential, self.links, self.loop.time())
        self.links.append(link)
        return link

    def pick(self, source: str = "") -> Link | None:
        request = Request(WEB, "external", (source, 5000) if source else None)
        return self.picker.pick(self.links, request, self.loop.time())

    def open(self, source: str = "") -> MuxSession:
        link = self.pick(source)
        assert link is not None
        return link.carrier.open(WEB)

    def share_out(self, count: int) -> Counter[str]:
        """How many of `count` sessions each bridge gets."""
        before = {link: link.load for link in self.links}
        for _ in range(count):
            self.open()
        shares: Counter[str] = Counter()
        for link in self.links:
            shares[link.credential] += link.load - before[link]
        return shares


def test_the_least_loaded_is_chosen_then_the_nearest() -> None:
    world = World()
    far, near = world.link("home", rtt_s=0.2), world.link("home", rtt_s=0.01)
    assert world.pick() is near
    world.open()
    assert world.pick() is far


@pytest.mark.parametrize("policy", ["leastLoad", "weighted", "sticky", "primaryBackup"])
def test_one_that_does_not_answer_is_never_chosen(policy: str) -> None:
    world = World(Picking(policy))      # type: ignore[arg-type]
    first, second = world.link("a"), world.link("b")
    first.health.is_quarantined = True
    for number in range(20):
        assert world.pick(f"198.51.100.{number}") is second
    second.health.is_quarantined = True
    assert world.pick() is None


def test_one_that_is_held_up_or_drained_is_chosen_only_if_there_is_no_other() -> None:
    world = World()
    held_up, drained, good = (world.link("home") for _ in range(3))
    held_up.health.is_unresponsive = True
    drained.is_draining = True
    for _ in range(50):
        assert world.open().carrier is good.carrier
    good.health.is_quarantined = True
    assert world.pick() is drained
    drained.health.is_quarantined = True
    assert world.pick() is held_up


@pytest.mark.parametrize("policy", ["leastLoad", "weighted"])
def test_a_drained_one_is_better_than_one_that_is_not_read_just_now(policy: str) -> None:
    world = World(Picking(policy))      # type: ignore[arg-type]
    stalled, drained = (world.link("home") for _ in range(2))
    drained.is_draining = True
    assert world.pick() is stalled
    stalled.carrier.stalled_at = 0.0
    assert world.pick() is drained


def test_the_primary_is_left_only_for_what_lasts() -> None:
    world = World(Picking("primaryBackup", primary=["home"]))
    primary, backup = world.link("home"), world.link("office")
    primary.carrier.stalled_at = world.loop.time()
    assert world.pick() is primary
    primary.health.is_unresponsive = True
    assert world.pick() is backup


def test_weights_share_sessions_out() -> None:
    world = World(Picking("weighted", weights={"big": 3}, slow_start_s=0))
    world.link("big")
    world.link("small")
    world.link("small")
    shares = world.share_out(400)
    assert 290 <= shares["big"] <= 310
    assert [link.load for link in world.links if link.credential == "small"] == [shares["small"] // 2, (shares["small"] + 1) // 2]


def test_a_client_stays_with_its_bridge_whoever_else_comes_and_goes() -> None:
    world = World(Picking("sticky", slow_start_s=0))
    world.link("a")
    gone = world.link("b")
    sources = [f"198.51.100.{number}" for number in range(200)]

    def chosen() -> dict[str, str]:
        return {source: link.credential for source in sources if (link := world.pick(source)) is not None}

    before = chosen()
    assert 60 < sum(name == "a" for name in before.values()) < 140
    for _ in range(50):
        world.links[0].carrier.open(WEB)            # load is no reason
    assert chosen() == before
    world.link("c")
    after = chosen()
    assert all(after[source] in (before[source], "c") for source in sources)
    world.links.remove(gone)
    assert all(name == after[source] for source, name in chosen().items() if after[source] != "b")


def test_without_an_address_sticky_is_the_least_load() -> None:
    world = World(Picking("sticky", slow_start_s=0))
    world.link("a")
    world.link("b")
    assert world.share_out(10) == {"a": 5, "b": 5}


def test_a_backup_is_chosen_only_while_the_primary_is_away() -> None:
    world = World(Picking("primaryBackup", primary=["main", "second"], slow_start_s=0))
    world.link("whoever")
    second = world.link("second")
    assert world.pick() is second
    main = world.link("main")
    for _ in range(100):
        assert world.open().carrier is main.carrier
    main.is_draining = True         # still the primary, until its next carrier is there
    assert world.pick() is main
    main.health.is_quarantined = True
    assert world.pick() is second


def test_a_bridge_that_comes_beside_others_gets_its_share_slowly() -> None:
    world = World()
    world.link("old")
    world.share_out(20)
    world.link("new")
    assert world.share_out(20)["new"] <= 5
    world.loop.advance(SLOW_START_S + 1)
    assert world.share_out(20)["new"] >= 15


def test_the_first_bridge_needs_no_slow_start() -> None:
    world = World(Picking("weighted"))
    world.link("only")
    [verdict] = world.picker.verdicts(world.links, None, 0.0)
    assert "slow start" not in verdict.reason


def test_a_bridge_whose_sessions_fail_is_passed_over_for_a_while() -> None:
    world = World(Picking(slow_start_s=0))
    bad, good = world.link("bad"), world.link("good")
    told = [world.picker.outcome("bad", 0.0, is_failure=True) for _ in range(EJECT_AFTER)]
    assert told == [False] * (EJECT_AFTER - 1) + [True]
    for _ in range(20):
        assert world.open().carrier is good.carrier
    [_, verdict] = world.picker.verdicts(world.links, None, 0.0)
    assert verdict.link is bad
    assert "passed over for 30 s, 5 sessions failed in a row" in verdict.reason
    world.loop.advance(EJECT_S + 1)
    assert world.pick() is bad


def test_one_success_forgives_all_failures_and_a_lonely_bridge_is_used_in_any_case() -> None:
    world = World()
    link = world.link("only")
    for _ in range(EJECT_AFTER - 1):
        world.picker.outcome("only", 0.0, is_failure=True)
    world.picker.outcome("only", 0.0, is_failure=False)
    assert not world.picker.outcome("only", 0.0, is_failure=True)
    for _ in range(EJECT_AFTER):
        world.picker.outcome("only", 0.0, is_failure=True)
    assert world.pick() is link


def test_coming_back_does_not_wash_failures_off() -> None:
    world = World(Picking(slow_start_s=0))
    bad = world.link("bad")
    good = world.link("good")
    for _ in range(EJECT_AFTER):
        world.picker.outcome("bad", 0.0, is_failure=True)
    world.links.remove(bad)
    world.link("bad")
    assert world.pick() is good


def test_every_decision_can_be_explained() -> None:
    world = World(Picking("primaryBackup", primary=["main"], slow_start_s=0))
    main, backup, away = world.link("main", rtt_s=0.012), world.link("backup"), world.link("away")
    away.health.is_quarantined = True
    backup.is_draining = True
    assert [(verdict.link, verdict.is_usable, verdict.reason) for verdict in world.picker.verdicts(world.links, None, 0.0)] == [
        (main, True, "0 sessions, number 1 in the order, 12.0 ms"),
        (backup, True, "0 sessions, not named in the order, draining"),
        (away, False, "it does not answer"),
    ]
