"""What was seen lately, so that it is not taken twice: authIDs, and the keys of sessions. Bounded; the clock is passed in."""

from __future__ import annotations

from collections.abc import Hashable

MAX_ENTRIES = 1 << 17       # per generation
_GENERATIONS = 3


class ReplayWindow:
    """Remembers each value for `window_s` at least, and for half as long again at most.

    Three generations, each of half a window; the oldest is forgotten as a whole. A generation that is full ends early:
    only who has a valid id can fill one, and a shorter window is better than to refuse the other users.
    """

    __slots__ = ("_born", "_generations", "_period_s")

    def __init__(self, window_s: float) -> None:
        self._period_s = window_s / (_GENERATIONS - 1)
        self._generations: list[set[int]] = [set() for _ in range(_GENERATIONS)]
        self._born = float("-inf")          # when the newest generation began

    def is_new(self, value: Hashable, now: float) -> bool:
        """Remember `value`; False if it is remembered already."""
        self._turn(now)
        mark = hash(value)                  # 64 bits, keyed per process: small, and nobody can aim at a collision
        if any(mark in generation for generation in self._generations):
            return False
        self._generations[0].add(mark)
        return True

    def __len__(self) -> int:
        return sum(map(len, self._generations))

    def _turn(self, now: float) -> None:
        periods = (now - self._born) / self._period_s
        if periods >= _GENERATIONS:
            self._generations = [set() for _ in range(_GENERATIONS)]
            self._born = now
        elif periods >= 1 or len(self._generations[0]) >= MAX_ENTRIES:
            for _ in range(max(1, int(periods))):
                self._generations = [set(), *self._generations[:-1]]
            self._born = now
