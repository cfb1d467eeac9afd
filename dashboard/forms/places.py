"""Values inside a JSON entry by their place, a tuple of keys and positions; the order of keys is kept.

Keys are matched in any letter case, as the cores do; a key that is new is spelled as it is given.
"""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

Place: TypeAlias = tuple[str | int, ...]


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


def value_at(entry: Any, place: Place) -> Any:
    """The value there, or ABSENT."""
    for step in place:
        if isinstance(step, str) and isinstance(entry, dict):
            key = key_of(entry, step)
            if key is None:
                return ABSENT
            entry = entry[key]
        elif isinstance(step, int) and isinstance(entry, list) and step < len(entry):
            entry = entry[step]
        else:
            return ABSENT
    return entry


def with_value(entry: Any, place: Place, value: Any) -> Any:
    """A copy of `entry` with `value` there; what leads there is made where it is missing. ABSENT takes the value away.

    What a removal leaves empty on the way stays: it was written by somebody.
    """
    changed = copy.deepcopy(entry)
    if value is ABSENT:
        _drop(changed, place)
        return changed
    return _put(changed, place, value)


def key_of(entry: dict[str, Any], name: str) -> str | None:
    """How the key is spelled in `entry`; of several the last one, which counts."""
    if name in entry:
        return name
    folded = name.lower()
    return next((key for key in reversed(entry) if key.lower() == folded), None)


def _put(entry: Any, place: Place, value: Any) -> Any:
    if not place:
        return value
    step, rest = place[0], place[1:]
    if isinstance(step, str):
        found = entry if isinstance(entry, dict) else {}
        key = key_of(found, step) or step
        found[key] = _put(found.get(key), rest, value)
        return found
    items = entry if isinstance(entry, list) else []
    items += [None] * (step + 1 - len(items))
    items[step] = _put(items[step], rest, value)
    return items


def _drop(entry: Any, place: Place) -> None:
    parent = value_at(entry, place[:-1])
    step = place[-1]
    if isinstance(parent, dict) and isinstance(step, str):
        key = key_of(parent, step)
        if key is not None:
            del parent[key]
    elif isinstance(parent, list) and isinstance(step, int) and step < len(parent):
        del parent[step]
