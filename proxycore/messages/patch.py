"""Differences of JSON trees as JSON merge patches: an object per level, null removes. Source: RFC 7396.

Lists are values: one that differs is replaced whole. Trees hold no null, so every difference can be said. Who cannot
follow is sent the whole tree instead of a row of patches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that makes `new` of `old`; empty where they are equal. It may share parts with `new`."""
    patch: dict[str, Any] = {}
    for key, value in new.items():
        before = old.get(key)
        if before is value:         # trees are made of what was there before, where that has not changed
            continue
        if isinstance(value, dict):
            if not isinstance(before, dict):
                patch[key] = value
            elif part := difference(before, value):
                patch[key] = part
        elif before != value or type(before) is not type(value):
            patch[key] = value
    for key in old:
        if key not in new:
            patch[key] = None
    return patch


def merge(tree: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """Bring `tree` up to date in place. It shares no object with `patch` afterwards (lists are taken as they are)."""
    for key, value in patch.items():
        if value is None:
            tree.pop(key, None)
        elif isinstance(value, dict):
            below = tree.get(key)
            if not isinstance(below, dict):
                below = tree[key] = {}
            merge(below, value)
        else:
            tree[key] = value
