from __future__ import annotations

from typing import Any

import pytest

from proxycore.agent.documents import Trial
from proxycore.agent.trial import Judge, tunnels, tunnels_up

PORTAL, BRIDGE = ("portal", "home"), ("bridge", "office")


def state(*up: tuple[str, str], there: tuple[tuple[str, str], ...] = (PORTAL, BRIDGE)) -> dict[str, Any]:
    found: dict[str, Any] = {"portals": {}, "bridges": {}}
    for kind, tag in there:
        found[f"{kind}s"][tag] = {"carriers": {"1": {}} if (kind, tag) in up else {}}
    return found


def judge(**more: Any) -> Judge:
    return Judge(Trial(**{"since": 100.0, "until": 110.0, "tunnels": [PORTAL, BRIDGE], **more}))


def test_which_tunnels_there_are_and_which_are_up() -> None:
    assert tunnels(state(PORTAL)) == {PORTAL, BRIDGE}
    assert tunnels_up(state(PORTAL)) == {PORTAL}
    assert tunnels({}) == set()


def test_it_stands_when_the_time_is_over_and_all_are_up() -> None:
    one = judge()
    assert one.look(101, state(PORTAL, BRIDGE)) is None
    assert one.look(109.9, state(PORTAL, BRIDGE)) is None
    assert one.look(110, state(PORTAL, BRIDGE)) == ""


def test_those_that_do_not_come_back_are_named() -> None:
    assert judge().look(110, state(PORTAL)) == "bridge office did not come back within 10 s"


def test_what_was_up_when_it_was_applied_is_not_seen_yet() -> None:
    one = judge(until=101.0)
    assert one.look(101, state(PORTAL, BRIDGE)) is None      # the worker has not said since
    assert one.look(101.5, state()) == "portal home, bridge office did not come back within 1 s"


def test_one_that_changes_its_carrier_at_the_end_is_not_gone() -> None:
    one = judge()
    one.look(108, state(PORTAL, BRIDGE))
    assert one.look(110, state(PORTAL)) == ""


def test_a_carrier_that_goes_on_from_the_document_before_does_not_count() -> None:
    left: dict[str, Any] = {"portals": {"home": {"carriers": {"1": {"leaving": True}}}}, "bridges": {}}
    assert tunnels_up(left) == set()
    one = judge(tunnels=[PORTAL])
    one.look(108, left)
    assert one.look(110, left) == "portal home did not come back within 10 s"


def test_one_that_came_and_went_is_gone() -> None:
    one = judge()
    one.look(105, state(PORTAL, BRIDGE))
    assert one.look(110, state(PORTAL)) != ""


def test_one_that_the_document_leaves_out_need_not_come_back() -> None:
    assert judge().look(110, state(PORTAL, there=(PORTAL,))) == ""


def test_nobody_confirms() -> None:
    assert judge(needs_confirm=True).look(110, state(PORTAL, BRIDGE)) == "nobody confirmed it within 10 s"


@pytest.mark.parametrize("needs_confirm", [True, False])
def test_a_confirmation_ends_it_early_when_the_tunnels_are_up(needs_confirm: bool) -> None:
    one = judge(needs_confirm=needs_confirm, is_confirmed=True)
    assert one.look(103, state(PORTAL)) is None
    assert one.look(104, state(PORTAL, BRIDGE)) == ""


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_a_worker_that_does_not_run_does_not_stand(is_confirmed: bool) -> None:
    one = judge(is_confirmed=is_confirmed)
    assert one.look(105, {}, is_running=False) is None
    assert one.look(110, {}, is_running=False) == "its worker did not run after 10 s"


def test_a_confirmation_does_not_bring_tunnels_back() -> None:
    assert judge(needs_confirm=True, is_confirmed=True).look(110, state(PORTAL)) == "bridge office did not come back within 10 s"


def test_a_clock_that_is_set_back_does_not_make_a_trial_last_longer_than_twice_its_time() -> None:
    one = judge(since=9000.0, until=9010.0)
    assert one.look(9005, state(PORTAL, BRIDGE)) is None
    assert one.look(100, state(PORTAL)) is None
    assert one.look(110, state(PORTAL)) == "bridge office did not come back within 10 s"
