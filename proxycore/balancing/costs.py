"""What leastLoad multiplies its measure by, by the outbound's tag. Source: Xray-core app/router/weight.go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from proxycore.routing.patterns import Pattern

DEFAULT_COST = 1.0
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class Cost(NamedTuple):
    """`text` is looked for in the tag, or with `pattern` that. `value` 0: the first number in what was found."""

    text: str
    pattern: Pattern | None
    value: float


class Costs:
    """The cost of a tag: that of the first entry that is found in it."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Sequence[Cost] = ()) -> None:
        self._entries = tuple(entries)

    def of(self, tag: str) -> float:
        for entry in self._entries:
            found = _found(entry, tag)
            if not found:
                continue
            if entry.value > 0:
                return entry.value
            number = _NUMBER.search(found)
            return float(number[0]) if number is not None else DEFAULT_COST
        return DEFAULT_COST

    def scale(self, tag: str, value_ns: int) -> int:
        """`value_ns` times the square root of the tag's cost."""
        scaled = value_ns * self.of(tag) ** 0.5
        return int(min(scaled, MAX_SCALED_NS))


MAX_SCALED_NS = float(2**63 - 1)


def _found(entry: Cost, tag: str) -> str:
    if entry.pattern is None:
        return entry.text if entry.text in tag else ""
    return entry.pattern.found_in(tag) or ""
