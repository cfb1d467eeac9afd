"""Addresses that led to nothing."""

from __future__ import annotations

from ipaddress import ip_address

from proxycore.net.avoided import AVOIDED_S, SILENT_S, Avoided

FIRST, SECOND = ip_address("192.0.2.1"), ip_address("192.0.2.2")
SIX = ip_address("2001:db8::1")


class Attempt:
    def __init__(self) -> None:
        self.received = 0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_that_connected_and_was_silent_comes_last_for_a_while() -> None:
    clock = Clock()
    avoided = Avoided(clock)
    avoided.connected("192.0.2.1", Attempt())
    assert list(avoided.order([FIRST, SECOND])) == [FIRST, SECOND]
    clock.now = SILENT_S
    assert list(avoided.order([FIRST, SECOND])) == [SECOND, FIRST]
    clock.now = AVOIDED_S + 1
    assert list(avoided.order([FIRST, SECOND])) == [FIRST, SECOND]


def test_another_family_is_tried_before_the_other_addresses_of_the_one_that_was_silent() -> None:
    clock = Clock()
    avoided = Avoided(clock)
    avoided.connected("2001:db8::1", Attempt())
    clock.now = SILENT_S
    other = ip_address("2001:db8::2")
    assert list(avoided.order([SIX, other, FIRST])) == [FIRST, other, SIX]


def test_an_address_that_answers_is_as_good_as_any() -> None:
    clock = Clock()
    avoided = Avoided(clock)
    attempt = Attempt()
    avoided.connected("::ffff:192.0.2.1", attempt)
    clock.now = SILENT_S
    assert list(avoided.order([FIRST, SECOND])) == [SECOND, FIRST]
    answered = Attempt()
    answered.received = 1
    avoided.connected("192.0.2.1", answered)
    assert list(avoided.order([FIRST, SECOND])) == [FIRST, SECOND]
