"""The last lines of a log, for people who look at it later."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

MAX_LINES: Final = 2000
MAX_LINE_CHARS: Final = 2000
MAX_CHARS: Final = 400_000

LEVELS: Final = {"debug": 0, "info": 1, "output": 1, "warning": 2, "error": 3, "critical": 3}
"""`output`: what a worker printed, its access log mostly."""

Line = tuple[float, str, str]
"""Unix seconds, level, text."""


def shortened(line: Line) -> Line:
    at, level, text = line
    return line if len(text) <= MAX_LINE_CHARS else (at, level, text[:MAX_LINE_CHARS] + " ...")


class LogRing:
    """Keeps MAX_LINES, and MAX_CHARS of them."""

    __slots__ = ("_chars", "_lines")

    def __init__(self) -> None:
        self._lines: deque[Line] = deque()
        self._chars = 0

    def add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            kept = shortened(line)
            self._lines.append(kept)
            self._chars += len(kept[2])
        while len(self._lines) > MAX_LINES or self._chars > MAX_CHARS:
            self._chars -= len(self._lines.popleft()[2])

    def last(self, count: int, level: str = "") -> list[Line]:
        """Up to `count` lines of `level` or above, oldest first. A level that nobody knows passes, as does a line's."""
        least = LEVELS.get(level, 0)
        found: list[Line] = []
        for line in reversed(self._lines):
            if len(found) >= count:
                break
            if LEVELS.get(line[1], 3) >= least:
                found.append(line)
        return found[::-1]
