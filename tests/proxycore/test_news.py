"""Refusals are counted one by one and told in a few events."""

from __future__ import annotations

import pytest

from proxycore.errors import AuthError, LimitError, PeerError
from proxycore.messages.events import Event, Kind, Refusal
from proxycore.net.wheel import Wheel
from proxycore.news import MAX_AT_ONCE, MAX_GATHERED, PERIOD_S, News


@pytest.fixture
def wheel() -> Wheel:
    return Wheel()


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def news(wheel: Wheel, told: list[Event]) -> News:
    news = News(wheel, lambda: 1000.0)
    news.listener = told.append
    return news


def turn(wheel: Wheel, seconds: float) -> None:
    for _ in range(int(seconds)):
        wheel.turn()


def test_the_first_refusal_is_told_at_once_and_the_flood_after_it_as_one_event(
    news: News, wheel: Wheel, told: list[Event]
) -> None:
    for port in range(500):
        news.refused(Refusal.UNKNOWN_USER, "in", ("192.0.2.7", port), "unknown user")
    assert [(one.reason, one.source, one.count) for one in told] == [("unknown_user", "192.0.2.7", 1)]
    turn(wheel, PERIOD_S)
    assert [one.count for one in told] == [1, 499]
    assert news.refusals == {"unknown_user": 500}
    turn(wheel, PERIOD_S)
    news.refused(Refusal.UNKNOWN_USER, "in", ("192.0.2.7", 1))
    assert [one.count for one in told] == [1, 499, 1], "after a quiet period the next is told at once"


def test_a_flood_that_goes_on_is_one_event_a_period(news: News, wheel: Wheel, told: list[Event]) -> None:
    for _ in range(3):
        for _ in range(10):
            news.refused(Refusal.NO_CARRIER, "portal", ("192.0.2.7", 1))
        turn(wheel, PERIOD_S)
    assert [one.count for one in told] == [1, 9, 10, 10]


def test_another_reason_place_or_source_is_told_apart(news: News, told: list[Event]) -> None:
    news.refused(Refusal.REPLAY, "in", ("192.0.2.7", 1))
    news.refused(Refusal.CLOCK, "in", ("192.0.2.7", 1), seconds=-95.0)
    news.refused(Refusal.CLOCK, "other", ("192.0.2.7", 1))
    news.refused(Refusal.CLOCK, "in", ("192.0.2.8", 1))
    assert len(told) == 4
    assert told[1].seconds == -95.0


def test_sources_beyond_the_bound_are_told_together(news: News, wheel: Wheel, told: list[Event]) -> None:
    for number in range(MAX_GATHERED + 50):
        news.refused(Refusal.MALFORMED, "in", (f"2001:db8::{number:x}", 1))
    assert len(told) == MAX_GATHERED + 1
    turn(wheel, PERIOD_S)
    assert told[-1].count == 49
    assert news.refusals == {"malformed": MAX_GATHERED + 50}


@pytest.mark.parametrize(("error", "reason"), [
    (PeerError("no VMess"), "malformed"), (LimitError("bytes", got=2, limit=1), "limit"), (AuthError("who"), "unknown_user"),
    (AuthError("clock", "clock", 400.0), "clock"), (AuthError("again", "replay"), "replay"), (TimeoutError("late"), "timeout"),
])  # fmt: skip
def test_a_failed_handshake_says_why(
    error: PeerError | TimeoutError, reason: str, news: News, told: list[Event]
) -> None:
    news.handshake_failed("in", ("192.0.2.7", 1), error)
    assert (told[0].kind, told[0].reason, told[0].tag) == (Kind.REFUSED, reason, "in")
    assert told[0].seconds == getattr(error, "seconds", None)


def test_long_texts_are_cut(news: News, told: list[Event]) -> None:
    news.tell(Kind.TUNNEL_DOWN, "t" * 300, "x" * 1000, reason="r" * 100)
    assert (len(told[0].tag), len(told[0].text), len(told[0].reason)) == (255, 500, 64)


def test_without_a_listener_it_only_counts(wheel: Wheel) -> None:
    news = News(wheel)
    news.tell(Kind.TUNNEL_UP, "portal")
    news.refused(Refusal.LIMIT, "portal", None)
    assert news.refusals == {"limit": 1}


def test_a_bridge_that_comes_and_goes_without_end_is_few_events_and_the_last_is_the_truth(
    news: News, wheel: Wheel, told: list[Event]
) -> None:
    for number in range(500):
        news.tell(Kind.TUNNEL_DOWN, "home", "gone", source="192.0.2.7")
        news.tell(Kind.TUNNEL_UP, "home", f"up {number}", source="192.0.2.7")
    assert len(told) == 2 * MAX_AT_ONCE
    news.tell(Kind.TUNNEL_UP, "office")
    assert told[-1].tag == "office", "other tunnels are told"
    told.clear()
    turn(wheel, PERIOD_S)
    assert [(one.kind, one.count) for one in told] == [
        (Kind.TUNNEL_DOWN, 500 - MAX_AT_ONCE), (Kind.TUNNEL_UP, 500 - MAX_AT_ONCE)]
    assert told[-1].text == "up 499"
    told.clear()
    for _ in range(3):
        news.tell(Kind.TUNNEL_DOWN, "home")
    assert told == [], "a flood that goes on is one event a period"
    turn(wheel, PERIOD_S)
    assert [one.count for one in told] == [3]
    turn(wheel, PERIOD_S)
    news.tell(Kind.TUNNEL_UP, "home")
    assert len(told) == 2, "after a quiet period the next is told at once"


def test_what_people_do_is_told_one_by_one(news: News, told: list[Event]) -> None:
    for _ in range(100):
        news.tell(Kind.BLOCKED, "", "blocked", source="192.0.2.7")
    assert len(told) == 100
