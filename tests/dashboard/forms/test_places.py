from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.forms.places import ABSENT, Place, value_at, with_value

ENTRY = {"tag": "in", "Settings": {"clients": [{"id": "x"}], "level": 0}, "port": 1}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("tag",), "in"),
        (("settings", "level"), 0),
        (("settings", "clients", 0, "id"), "x"),
        (("settings", "clients", 1), ABSENT),
        (("tag", "deeper"), ABSENT),
        (("settings", 0), ABSENT),
        ((), ENTRY),
    ],
)
def test_a_value_is_found_in_any_letter_case_of_its_keys(place: Place, value: Any) -> None:
    assert value_at(ENTRY, place) == value


def test_a_change_keeps_order_spelling_and_the_original() -> None:
    changed = with_value(ENTRY, ("settings", "clients", 0, "id"), "y")
    assert list(changed) == ["tag", "Settings", "port"]
    assert changed["Settings"] == {"clients": [{"id": "y"}], "level": 0}
    assert ENTRY["Settings"] == {"clients": [{"id": "x"}], "level": 0}


def test_what_leads_to_a_new_value_is_made() -> None:
    assert with_value({}, ("vnext", 0, "users", 0, "id"), "x") == {"vnext": [{"users": [{"id": "x"}]}]}


def test_absent_takes_a_value_away_and_leaves_what_held_it() -> None:
    assert with_value({"a": {"b": 1}, "c": 2}, ("a", "b"), ABSENT) == {"a": {}, "c": 2}
    assert with_value({"a": [1, 2]}, ("a", 0), ABSENT) == {"a": [2]}
    assert with_value({"a": 1}, ("b", "c"), ABSENT) == {"a": 1}


def test_of_a_key_written_twice_the_last_counts() -> None:
    assert value_at({"Port": 1, "PORT": 2}, ("port",)) == 2
    assert with_value({"Port": 1, "PORT": 2}, ("port",), 3) == {"Port": 1, "PORT": 3}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=10,
)
PLACES = st.lists(st.text(max_size=3) | st.integers(0, 3), min_size=1, max_size=4).map(tuple)


@pytest.mark.fuzz
@given(JSON, PLACES, JSON)
def test_what_is_put_somewhere_is_found_there(entry: Any, place: Place, value: Any) -> None:
    assert value_at(with_value(entry, place, value), place) == value


@pytest.mark.fuzz
@given(JSON, PLACES)
def test_any_value_can_be_taken_away(entry: Any, place: Place) -> None:
    without = with_value(entry, place, ABSENT)
    if value_at(entry, place) is ABSENT:
        assert without == entry
