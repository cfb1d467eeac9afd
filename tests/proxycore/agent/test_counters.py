from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxycore.agent.counters import WHOLE, Counters, Counts
from proxycore.messages.patch import merge


class Worker:
    """Its state, and the Counters that follow it."""

    def __init__(self) -> None:
        self.counters = Counters(3)
        self.state: dict[str, Any] = {}

    def says(self, patch: dict[str, Any]) -> None:
        merge(self.state, patch)
        self.counters.observe(self.state, patch)

    def moved(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        return {(one.kind, one.name): (one.up, one.down, one.opened) for one in self.counters.take()[0]}


def test_what_moved_is_the_difference_since_the_last_time() -> None:
    worker = Worker()
    worker.says({"inbounds": {"in": {"up": 10, "down": 100, "accepted": 2}}, "outbounds": {"out": {"up": 1, "down": 2}}})
    worker.says({"portals": {"p": {"up": 5, "down": 6, "opened": 1, "carriers": {}}}, "users": {"a@b": {"up": 7, "down": 8}}})
    assert worker.moved() == {
        ("inbound", "in"): (10, 100, 2), ("outbound", "out"): (1, 2, 0), ("tunnel", "p"): (5, 6, 1), ("user", "a@b"): (7, 8, 0)}
    worker.says({"inbounds": {"in": {"down": 150}}})
    assert worker.moved() == {("inbound", "in"): (0, 50, 0)}
    assert worker.moved() == {}


def test_a_portal_and_a_bridge_of_one_tag_are_one_tunnel() -> None:
    worker = Worker()
    worker.says({"portals": {"t": {"up": 1, "down": 2}}, "bridges": {"t": {"up": 10, "down": 20, "opened": 1}}})
    assert worker.moved() == {("tunnel", "t"): (11, 22, 1)}


def test_another_worker_counts_from_zero_and_what_the_old_one_had_said_stays_counted() -> None:
    worker = Worker()
    worker.says({"outbounds": {"out": {"up": 100, "down": 0}}})
    worker.state = {}
    worker.counters.begin()
    worker.says({"outbounds": {"out": {"up": 7, "down": 0}}})
    assert worker.moved() == {("outbound", "out"): (107, 0, 0)}


def test_a_worker_that_is_found_again_counts_from_what_was_seen() -> None:
    worker = Worker()
    worker.counters.begin({("outbounds", "out"): Counts(100, 50, 0), ("users", "gone"): Counts(1, 1, 0)})
    worker.state = {"outbounds": {"out": {"up": 130, "down": 50}}}
    worker.counters.observe(worker.state, WHOLE)
    moved, seen = worker.counters.take()
    assert [(one.name, one.up, one.down) for one in moved] == [("out", 30, 0)]
    assert seen == {("outbounds", "out"): Counts(130, 50, 0), ("users", "gone"): None}


def test_what_was_taken_out_and_comes_back_begins_anew() -> None:
    worker = Worker()
    worker.says({"outbounds": {"out": {"up": 100, "down": 0}}})
    worker.says({"outbounds": {"out": None}})
    worker.says({"outbounds": {"out": {"up": 30, "down": 0}}})
    assert worker.moved() == {("outbound", "out"): (130, 0, 0)}
    worker.says({"outbounds": {"out": {"up": 20}}})         # between two looks
    assert worker.moved() == {("outbound", "out"): (20, 0, 0)}


def test_a_section_that_goes_takes_all_of_its_names() -> None:
    worker = Worker()
    worker.says({"users": {"a": {"up": 1, "down": 0}, "b": {"up": 2, "down": 0}}})
    worker.says({"users": None})
    _, seen = worker.counters.take()
    assert seen == {("users", "a"): None, ("users", "b"): None}


def test_what_is_no_number_counts_as_nothing() -> None:
    worker = Worker()
    worker.says({"inbounds": {"in": {"up": -5, "down": "many", "accepted": 1.5}, "other": 3}, "outbounds": 7})
    assert worker.moved() == {}


def test_bytes_of_users_until_they_are_taken() -> None:
    worker = Worker()
    worker.says({"users": {"a": {"up": 1, "down": 2}}, "inbounds": {"a": {"up": 9, "down": 9}}})
    assert worker.counters.user_bytes() == {"a": 3}
    worker.counters.take()
    assert worker.counters.user_bytes() == {}


@given(st.lists(st.tuples(st.integers(0, 2**40), st.booleans()), max_size=40))
def test_however_it_is_taken_the_sum_is_the_counter(steps: list[tuple[int, bool]]) -> None:
    worker, total, counted = Worker(), 0, 0
    for step, is_taken in steps:
        total += step
        worker.says({"outbounds": {"out": {"up": total, "down": 0}}})
        if is_taken:
            counted += worker.moved().get(("outbound", "out"), (0, 0, 0))[0]
    assert counted + worker.moved().get(("outbound", "out"), (0, 0, 0))[0] == total
