from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxycore.messages.patch import difference, merge

SCALARS = st.one_of(
    st.booleans(), st.integers(-3, 3), st.floats(0, 1), st.text(max_size=2), st.lists(st.integers(0, 2), max_size=2))
TREES = st.dictionaries(
    st.sampled_from("abcd"),
    st.recursive(SCALARS, lambda below: st.dictionaries(st.sampled_from("abcd"), below, max_size=3), max_leaves=8),
    max_size=4,
)


@given(TREES, TREES)
def test_a_difference_makes_the_new_of_the_old(old: dict[str, Any], new: dict[str, Any]) -> None:
    tree = copy.deepcopy(old)
    merge(tree, difference(old, new))
    assert tree == new


@given(TREES)
def test_nothing_differs_from_itself(tree: dict[str, Any]) -> None:
    assert difference(tree, copy.deepcopy(tree)) == {}


def test_only_what_differs_is_said() -> None:
    old = {"portals": {"p": {"up": 1, "down": 2, "carriers": {"1": {"up": 1}}}}, "sessions": 3}
    new = {"portals": {"p": {"up": 5, "down": 2, "carriers": {"2": {"up": 0}}}}, "sessions": 3}
    assert difference(old, new) == {"portals": {"p": {"up": 5, "carriers": {"1": None, "2": {"up": 0}}}}}


def test_true_is_not_one() -> None:
    assert difference({"alive": 1}, {"alive": True}) == {"alive": True}


def test_a_merged_tree_shares_no_object_with_the_patch() -> None:
    tree: dict[str, Any] = {}
    patch = {"workers": {"1": {"up": 1}}}
    merge(tree, patch)
    merge(tree, {"workers": {"1": {"up": 2}}})
    assert patch == {"workers": {"1": {"up": 1}}}
