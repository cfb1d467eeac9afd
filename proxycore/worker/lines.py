"""Log records on their way to the agent: a bounded number waits, and nothing ever waits for them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from proxycore.log_flood import FloodFilter

FLUSH_S: Final = 0.2
MAX_LINES: Final = 2000
"""That wait; the oldest go first."""

MAX_LINE_CHARS: Final = 2000
LINES_PER_MESSAGE: Final = 500

Line = tuple[float, str, str]
"""Unix seconds, level, text."""


class Lines(logging.Handler):
    """Keeps what is logged until `take`. `on_some` is called, in the loop, FLUSH_S after the first that waits.

    Where the document names a file for its log, `beside` writes them there too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_some: Callable[[], None]) -> None:
        super().__init__()
        self.addFilter(FloodFilter())
        self.beside: logging.Handler | None = None
        self.mask: Callable[[str], str] | None = None
        self._loop = loop
        self._on_some = on_some
        self._waiting: deque[Line] = deque()
        self._dropped = 0
        self._is_due = False

    def emit(self, record: logging.LogRecord) -> None:
        """It may be called in another thread: the log of a reader, say."""
        try:
            text = record.getMessage()
            if record.exc_info:
                text += "\n" + logging.Formatter().formatException(record.exc_info)
        except Exception:  # noqa: BLE001 - a wrong format string in a log call must not end a connection
            self.handleError(record)
            return
        if self.mask is not None:
            text = self.mask(text)
        if self.beside is not None:
            self.beside.emit(record)
        while len(self._waiting) >= MAX_LINES:
            self._waiting.popleft()
            self._dropped += 1
        name = record.name.removeprefix("xrev.")
        self._waiting.append((round(record.created, 3), record.levelname.lower(), f"{name}: {text}"[:MAX_LINE_CHARS]))
        if not self._is_due and not self._loop.is_closed():
            self._is_due = True
            self._loop.call_soon_threadsafe(self._loop.call_later, FLUSH_S, self._due)

    def take(self) -> list[Line]:
        """Up to LINES_PER_MESSAGE of those that wait, the oldest first, and how many could not."""
        waiting = self._waiting
        taken = [waiting.popleft() for _ in range(min(len(waiting), LINES_PER_MESSAGE))]
        if self._dropped and taken:
            dropped, self._dropped = self._dropped, 0
            taken.insert(0, (taken[0][0], "warning", f"{dropped} lines were dropped before this one"))
        return taken

    @property
    def are_waiting(self) -> bool:
        return bool(self._waiting)

    def close(self) -> None:
        if self.beside is not None:
            self.beside.close()
        super().close()

    def _due(self) -> None:
        self._is_due = False
        self._on_some()
