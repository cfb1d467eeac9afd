from __future__ import annotations

from typing import Any

import pytest

from proxycore.agent.outbox import (
    EVENTS_AGAIN_S,
    MAX_EVENTS,
    MAX_LOG_LINES,
    MAX_MESSAGES,
    PING_EVERY_S,
    TRAFFIC_AGAIN_S,
    Outbox,
)
from proxycore.messages.beat import GATHER_S, LEAST_S
from proxycore.messages.events import Event, Kind
from proxycore.messages.link import Answer, Traffic
from proxycore.messages.patch import merge

STATE_EVERY_S = 1.0


class Node:
    """What an Outbox asks, and the panel at its other end."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.state: dict[str, Any] = {"host": {"load": 1}}
        self.buckets: list[Traffic] = []
        self.outbox = Outbox(lambda: self.state, self.waiting, clock=lambda: self.now, state_in_s=lambda: STATE_EVERY_S)
        self.tree: dict[str, Any] = {}

    def waiting(self) -> list[Traffic]:
        return self.buckets[:2]

    def keep(self, seq: int) -> None:
        """The panel has it."""
        self.buckets = [one for one in self.buckets if one.seq != seq]
        self.outbox.traffic_kept("b", seq)

    def sent(self) -> list[Any]:
        """What goes out now; the panel puts its tree together."""
        sent: list[Any] = list(self.outbox.next())
        for one in sent:
            if one.type == "state":
                if one.is_full:
                    self.tree = {}
                merge(self.tree, one.patch)
        return sent

    def told_events(self) -> list[Event]:
        """What the panel writes down until there is nothing more."""
        told: list[Event] = []
        while said := [one for one in self.sent() if one.type == "events"]:
            (one,) = said
            told += one.events
            self.outbox.events_kept(one.seq)
        return told

    def later(self, seconds: float) -> list[Any]:
        self.now += seconds
        return self.sent()


@pytest.fixture
def node() -> Node:
    node = Node()
    node.outbox.connected()
    return node


def kinds(sent: list[Any]) -> list[str]:
    return [one.type for one in sent]


def event(number: int) -> Event:
    return Event(kind=Kind.APPLIED, at=float(number), text=str(number))


def test_all_of_the_state_then_what_is_different_once_a_second(node: Node) -> None:
    (full,) = node.sent()
    assert full.is_full
    node.state = {"host": {"load": 2}, "workers": {"1": {"phase": "running"}}}
    assert node.later(STATE_EVERY_S / 2) == []
    (patch,) = node.later(STATE_EVERY_S / 2)
    assert not patch.is_full
    assert patch.patch == node.state
    assert node.tree == node.state
    assert node.later(STATE_EVERY_S) == []


def test_what_workers_say_is_gathered_and_passed_on_at_once(node: Node) -> None:
    node.sent()
    node.now += LEAST_S
    for load in (2, 3):
        node.state = {"host": {"load": load}}
        node.outbox.changed()
    assert node.outbox.due_in_s == pytest.approx(GATHER_S)
    assert node.sent() == []
    assert [one.patch for one in node.later(GATHER_S)] == [{"host": {"load": 3}}]
    assert node.outbox.due_in_s == pytest.approx(STATE_EVERY_S)


def test_who_changes_all_the_time_is_told_of_twice_a_second(node: Node) -> None:
    node.sent()
    said = 0
    for turn in range(1000):
        node.state = {"host": {"load": turn}}
        node.outbox.changed()
        said += len(node.later(0.01))
    assert 10 / LEAST_S - 2 <= said <= 10 / LEAST_S


def test_who_was_slow_gets_the_newest_and_no_queue(node: Node) -> None:
    node.sent()
    for load in range(100):             # seconds in which nobody could send
        node.now += 1
        node.state = {"host": {"load": load}}
    assert [one.patch for one in node.sent() if one.type == "state"] == [{"host": {"load": 99}}]
    assert node.tree == node.state


def test_a_state_that_changes_in_place_is_still_compared_with_what_was_sent(node: Node) -> None:
    node.state = {"workers": {"1": {"outbounds": {"out": {"up": 1}}}}}
    node.sent()
    node.state["workers"]["1"]["outbounds"]["out"]["up"] = 2
    (patch,) = node.later(STATE_EVERY_S)
    assert patch.patch == {"workers": {"1": {"outbounds": {"out": {"up": 2}}}}}


def test_a_new_connection_gets_all_again_and_no_answers_of_the_old_one(node: Node) -> None:
    node.sent()
    node.outbox.tell(Answer(id="1"))
    node.outbox.happened(event(1))
    node.outbox.connected()
    assert kinds(node.sent()) == ["events", "state"]


def test_answers_come_before_all_else_and_are_bounded(node: Node) -> None:
    for number in range(MAX_MESSAGES + 10):
        node.outbox.tell(Answer(id=str(number)))
    sent = node.sent()
    assert kinds(sent) == ["answer"] * MAX_MESSAGES + ["state"]


def test_events_wait_for_the_panel_and_those_that_were_dropped_are_counted(node: Node) -> None:
    for number in range(MAX_EVENTS + 7):
        node.outbox.happened(event(number))
    got = node.told_events()
    assert (got[0].kind, got[0].count) == (Kind.EVENTS_LOST, 7)
    assert [one.text for one in got[1:]] == [str(number) for number in range(7, MAX_EVENTS + 7)]
    assert kinds(node.later(STATE_EVERY_S)) == []


def test_events_that_are_not_known_to_be_kept_are_said_again(node: Node) -> None:
    node.sent()
    node.outbox.happened(event(1))
    node.outbox.happened(event(2))
    (first,) = node.later(0)
    node.outbox.happened(event(3))
    assert node.later(1) == [], "it waits until those before are written down"
    node.outbox.connected()
    again = node.sent()[0]
    assert (again.seq, again.events) == (first.seq, first.events)
    assert "events" in kinds(node.later(EVENTS_AGAIN_S)), "the panel could not write them, say"
    node.outbox.events_kept(first.seq - 1)
    assert "events" not in kinds(node.later(1))
    node.outbox.events_kept(first.seq)
    (last,) = [one for one in node.sent() if one.type == "events"]
    assert (last.seq, [one.text for one in last.events]) == (first.seq + 1, ["3"])
    node.outbox.events_kept(last.seq)
    node.outbox.connected()
    assert "events" not in kinds(node.sent())


def test_lines_that_are_watched_go_with_the_state_and_the_newest_are_shown(node: Node) -> None:
    node.sent()
    node.outbox.logged(1, [(float(n), "info", str(n)) for n in range(MAX_LOG_LINES + 5)])
    node.outbox.logged(2, [(1.0, "info", "x")])
    one, two = node.later(STATE_EVERY_S)
    assert (one.instance, len(one.lines), one.lines[0][2]) == (1, MAX_LOG_LINES, "5")
    assert (two.instance, two.lines) == (2, [(1.0, "info", "x")])


def test_traffic_is_sent_a_few_at_a_time_and_again_when_no_answer_comes(node: Node) -> None:
    node.buckets = [Traffic(boot="b", seq=n, at=n * 10, moved=[]) for n in range(1, 6)]
    assert kinds(node.sent()) == ["state", "traffic", "traffic"]
    assert node.later(1) == []
    node.keep(1)
    assert node.later(1) == []
    node.keep(2)
    assert [one.seq for one in node.later(1)] == [3, 4]
    node.keep(3)
    again = node.later(TRAFFIC_AGAIN_S)
    assert [one.seq for one in again if one.type == "traffic"] == [4, 5]


def test_silence_is_broken_by_a_ping(node: Node) -> None:
    node.sent()
    assert node.later(PING_EVERY_S - 1) == []
    assert kinds(node.later(1)) == ["ping"]
    assert node.later(PING_EVERY_S - 1) == []


def test_it_says_when_to_ask_again(node: Node) -> None:
    node.sent()
    assert node.outbox.due_in_s == STATE_EVERY_S
    assert not node.outbox.woken.is_set()
    node.outbox.happened(event(1))
    assert node.outbox.woken.is_set()


def test_lines_that_come_while_others_are_sent_are_sent_the_next_time() -> None:
    node = Node()
    node.outbox.connected()
    node.outbox.logged(1, [(1.0, "info", "a")])
    sent: list[Any] = []
    for one in node.outbox.next():
        if one.type == "log":      # the socket is full, and workers go on meanwhile
            node.outbox.logged(1, [(2.0, "info", "b")])
            node.outbox.logged(2, [(2.0, "info", "c")])
        sent.append(one)
    node.now += STATE_EVERY_S
    told = [(one.instance, line[2]) for one in [*sent, *node.sent()] if one.type == "log" for line in one.lines]
    assert told == [(1, "a"), (1, "b"), (2, "c")]
