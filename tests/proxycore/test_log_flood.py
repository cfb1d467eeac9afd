"""Lines of one kind in a flood."""

from __future__ import annotations

import logging

from proxycore.log_flood import MAX_KINDS, MOST_A_SECOND, FloodFilter


def record(text: str, second: float, *values: object, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("xrev.udp", level, "", 0, text, values, None)
    made.created = second
    return made


def test_what_is_above_the_bound_is_left_out_and_the_next_line_says_so() -> None:
    flood = FloodFilter()
    passed = [flood.filter(record("datagrams dropped: %s", 7.5, number)) for number in range(MOST_A_SECOND + 5)]
    assert passed == [True] * MOST_A_SECOND + [False] * 5
    assert flood.filter(record("something else: %s", 7.6, "x"))
    following = record("datagrams dropped: %s", 9.0, "100%")
    assert flood.filter(following)
    assert following.getMessage() == "datagrams dropped: 100% (5 more of this kind were left out before)"
    last = record("datagrams dropped: %s", 11.0, "x")
    assert flood.filter(last)
    assert last.getMessage() == "datagrams dropped: x"


def test_debug_lines_are_all_written() -> None:
    flood = FloodFilter()
    assert all(flood.filter(record("x", 7.0, level=logging.DEBUG)) for _ in range(MOST_A_SECOND + 5))


def test_the_kinds_that_are_told_apart_are_bounded() -> None:
    flood = FloodFilter()
    for number in range(3 * MAX_KINDS):
        assert flood.filter(record(f"kind {number}", 7.0))
    assert len(flood._seen) <= MAX_KINDS
