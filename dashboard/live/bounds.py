"""How fast, how much and how deep a peer may speak. Time is passed in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

MAX_DEPTH: Final = 8                # levels of objects in a NodeState; there are six
MAX_KEY_CHARS: Final = 255
MAX_TEXT_CHARS: Final = 2000
MAX_LIST: Final = 1000              # values of one list
MAX_INTEGER: Final = 2**63 - 1      # what the broker's messages hold


class TooMuch(ValueError):
    """It is more than is allowed, or nothing that is. The text says what."""


class Meter:
    """A bucket that fills with `rate` per second up to `burst`."""

    __slots__ = ("_at", "_left", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._left = burst
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """Whether there was so much in it; nothing is taken otherwise."""
        self._left = min(self.burst, self._left + (now - self._at) * self.rate)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True


def measure(value: Any, depth: int = 0) -> int:
    """About how many bytes a JSON value takes. Raises TooMuch: it is too deep, or holds what no browser or broker could read."""
    if value is None or isinstance(value, bool):
        return 8
    if isinstance(value, str):
        if len(value) > MAX_TEXT_CHARS:
            raise TooMuch(f"a text of {len(value)} characters")
        return 16 + len(value)
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise TooMuch("an integer beyond 64 bits")
        return 16
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TooMuch("a number that is none")
        return 16
    if depth >= MAX_DEPTH:
        raise TooMuch(f"more than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return 32 + sum(_measure_key(key) + measure(below, depth + 1) for key, below in value.items())
    if isinstance(value, list):
        if len(value) > MAX_LIST:
            raise TooMuch(f"a list of {len(value)} values")
        return 32 + sum(measure(one, depth + 1) for one in value)
    raise TooMuch(f"a {type(value).__name__}")


def _measure_key(key: object) -> int:
    if not isinstance(key, str) or len(key) > MAX_KEY_CHARS:
        raise TooMuch("a key that is no short text")
    return 16 + len(key)
