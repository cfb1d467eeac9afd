"""Which entry of a new document is which one of the old: so rows, their ids and counters survive an import."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import Any

from dashboard.engine.columns import hashed_form, secret_of
from dashboard.engine.content import Body, Entry, Kind, get
from dashboard.models.jsontext import write_json

Pairs = list[int | None]
"""For each new entry the number of the old one that it is; None: it is new."""


def match_entries(kind: Kind, old: Sequence[Entry], new: Sequence[Entry]) -> Pairs:
    """By row, if the new ones have any; by tag; else by an equal entry; else by the same place among those that were found,
    if it is about the same thing."""
    matching = _Matching(old, new)
    name = "ruleTag" if kind is Kind.RULE else "tag"
    matching.by_key(_row)
    matching.by_key(lambda one: _name(one.body, name))
    matching.by_key(_text)
    matching.by_gap(lambda one, other: _is_alike(kind, one.body, other.body))
    return matching.pairs


def match_clients(old: Sequence[Entry], new: Sequence[Entry]) -> Pairs:
    """By row, if the new ones have any; by id or password, else by email: never by place alone, because what somebody used
    belongs to him."""
    matching = _Matching(old, new)
    matching.by_key(_row)
    matching.by_key(lambda one: hashed_form(secret_of(one.body)))
    matching.by_key(lambda one: _email(one.body))
    matching.by_key(_text)
    return matching.pairs


def moved(pairs: Pairs) -> list[int]:
    """The new entries that stand in another order than their old ones: as few as explain it."""
    known = [(number, old) for number, old in enumerate(pairs) if old is not None]
    if all(one[1] < other[1] for one, other in pairwise(known)):
        return []
    stay = _longest_rising([old for _, old in known])
    return [number for index, (number, _) in enumerate(known) if index not in stay]


class _Matching:
    __slots__ = ("_free_new", "_free_old", "_new", "_old", "pairs")

    def __init__(self, old: Sequence[Entry], new: Sequence[Entry]) -> None:
        self.pairs: Pairs = [None] * len(new)
        self._old, self._new = old, new
        self._free_old = dict.fromkeys(range(len(old)))
        self._free_new = dict.fromkeys(range(len(new)))

    def by_key(self, key: Callable[[Entry], Hashable]) -> None:
        """Pair entries with equal keys, in order. An empty key fits none."""
        if not self._free_old or not self._free_new:
            return
        places: dict[Hashable, deque[int]] = {}
        for number in self._free_old:
            if found_key := key(self._old[number]):
                places.setdefault(found_key, deque()).append(number)
        for number in list(self._free_new):
            found = places.get(key(self._new[number]))
            if found:
                self._pair(found.popleft(), number)

    def by_gap(self, is_alike: Callable[[Entry, Entry], bool]) -> None:
        """Pair what is left and stands equally far behind the same pair."""
        if not self._free_old or not self._free_new:
            return
        new_of = {old: number for number, old in enumerate(self.pairs) if old is not None}
        last, offset, places = -1, 0, {}
        for number in range(len(self._free_old) + len(new_of)):
            if number in self._free_old:
                places[last, offset] = number
                offset += 1
            else:
                last, offset = new_of[number], 0
        last, offset = -1, 0
        for number, old in enumerate(list(self.pairs)):
            if old is not None:
                last, offset = number, 0
                continue
            found = places.get((last, offset))
            offset += 1
            if found is not None and is_alike(self._old[found], self._new[number]):
                self._pair(found, number)

    def _pair(self, old: int, new: int) -> None:
        self.pairs[new] = old
        del self._free_old[old], self._free_new[new]


def _row(entry: Entry) -> Hashable:
    return entry.pk


def _text(entry: Entry) -> Hashable:
    return write_json(entry.body)


def _name(body: Body, key: str) -> str:
    value = get(body, key)
    return value if isinstance(value, str) else ""


def _email(body: Body) -> str:
    value = get(body, "email", "user")
    return value if isinstance(value, str) else ""


def _is_alike(kind: Kind, old: Body, new: Body) -> bool:
    if kind in (Kind.INBOUND, Kind.OUTBOUND):
        return bool(get(old, "protocol") == get(new, "protocol"))
    shared: list[Any] = [key for key in old if key in new and key not in ("type",) and old[key] == new[key]]
    return bool(shared)


def _longest_rising(values: Sequence[int]) -> frozenset[int]:
    """The positions of a longest rising subsequence."""
    ends: list[int] = []            # the smallest last value of a rising run of each length
    places: list[int] = []          # where that value stands
    before: list[int] = []
    for place, value in enumerate(values):
        length = bisect_left(ends, value)
        before.append(places[length - 1] if length else -1)
        if length == len(ends):
            ends.append(value)
            places.append(place)
        else:
            ends[length], places[length] = value, place
    found: set[int] = set()
    place = places[-1] if places else -1
    while place >= 0:
        found.add(place)
        place = before[place]
    return frozenset(found)
