"""What was seen lately."""

from __future__ import annotations

from proxycore.protocols.vmess import replay
from proxycore.protocols.vmess.replay import MAX_ENTRIES, ReplayWindow


def test_a_value_is_new_once_within_the_window() -> None:
    for born in (0.0, 0.1, 59.0, 119.9, 1e9):
        window = ReplayWindow(240)
        window.is_new(b"other", born - 50)
        assert window.is_new(b"id", born)
        assert not any(window.is_new(b"id", born + age) for age in (0, 1, 119, 121, 240))
        assert window.is_new(b"another", born + 240)


def test_a_value_is_forgotten_after_one_and_a_half_windows() -> None:
    window = ReplayWindow(240)
    assert window.is_new(b"id", 1000)
    assert window.is_new(b"id", 1361)
    assert window.is_new(b"id", 9999)
    assert len(window) == 1


def test_a_clock_that_is_set_back_forgets_nothing() -> None:
    window = ReplayWindow(240)
    assert window.is_new(b"id", 1000)
    assert not window.is_new(b"id", 0)


def test_the_table_is_bounded_and_takes_new_values_when_full() -> None:
    window = ReplayWindow(240)
    for number in range(4 * MAX_ENTRIES):
        window.is_new(number, 0)
    assert len(window) <= 3 * replay.MAX_ENTRIES
    assert not window.is_new(4 * MAX_ENTRIES - 1, 0)
    assert window.is_new("new", 0)
