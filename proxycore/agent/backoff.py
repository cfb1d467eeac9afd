"""How long to wait before the next attempt: longer each time, and never the same for two who began together."""

from __future__ import annotations

import random


class Backoff:
    """Delays from `first_s`, doubling, to `most_s`; each is cut at random by up to a half."""

    __slots__ = ("_first_s", "_most_s", "_next_s", "_random")

    def __init__(self, first_s: float, most_s: float, chance: random.Random | None = None) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s
        self._random = chance or random.Random()

    def next_s(self) -> float:
        delay_s = self._next_s
        self._next_s = min(self._most_s, delay_s * 2)
        return delay_s * self._random.uniform(0.5, 1)

    def reset(self) -> None:
        self._next_s = self._first_s
