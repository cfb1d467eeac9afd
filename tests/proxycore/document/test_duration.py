"""Durations as Go writes them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.document.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("10s", 10_000_000_000), ("1m30s", 90_000_000_000), ("500ms", 500_000_000), ("1.5h", 5_400_000_000_000), ("0", 0),
        ("-2s", -2_000_000_000), ("+2s", 2_000_000_000), (".5s", 500_000_000), ("1.s", 1_000_000_000), ("7us", 7000),
        ("7µs", 7000), ("7μs", 7000), ("3ns", 3), ("1h1m1s1ms1us1ns", 3_661_001_001_001), ("0.3ns", 0),
    ],
)
def test_a_duration_is_read(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    "value",
    ["", "10", "s", "10 s", " 10s", "1d", "1e3s", "--1s", "1s-1s", ".s", "9" * 65 + "s", "99999999h", "\u0661s"],
)
def test_what_is_no_duration_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@pytest.mark.parametrize("value", [10, None, 1.5, ["1s"]])
def test_a_number_is_none(value: object) -> None:
    with pytest.raises(ValueError, match='a duration as text is expected, such as "10s"'):
        parse_duration(value)


@given(st.text(alphabet="0123456789.hmsnuµ+- ", max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_duration(text), int)
