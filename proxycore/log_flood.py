"""A flood of lines of one kind is cut: what strangers can cause must not fill a disk, nor take the processor's time."""

from __future__ import annotations

import logging
from typing import Final

MOST_A_SECOND: Final = 200
"""Lines of one kind: by one logger, and the same but for what was put into it."""

MAX_KINDS: Final = 1000
"""That are told apart."""


class FloodFilter(logging.Filter):
    """Of a handler. What is left out is counted, and the next line of its kind says how many were. Debug lines all pass."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], list[int]] = {}       # the second, and how many came in it

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:
            return True
        kind, second = (record.name, str(record.msg)), int(record.created)
        seen = self._seen.get(kind)
        if seen is not None and seen[0] == second:
            seen[1] += 1
            return seen[1] <= MOST_A_SECOND
        left_out = 0 if seen is None else seen[1] - MOST_A_SECOND
        if len(self._seen) >= MAX_KINDS:
            self._seen.clear()
        self._seen[kind] = [second, 1]
        if left_out > 0:
            record.msg = f"{record.msg} ({left_out} more of this kind were left out before)"
        return True
