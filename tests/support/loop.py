"""An event loop whose time stands still until the test moves it. It knows call_soon and call_later, nothing else."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any


class _Handle:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class ManualLoop(asyncio.AbstractEventLoop):
    def __init__(self) -> None:
        self._now = 0.0
        self._ready: deque[tuple[_Handle, Callable[..., object], tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, _Handle, Callable[..., object], tuple[Any, ...]]] = []
        self._order = count()

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = _Handle()
        self._ready.append((handle, callback, args))
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = _Handle()
        heapq.heappush(self._timers, (self._now + delay, next(self._order), handle, callback, args))
        return handle

    def turn(self) -> None:
        """Run what is ready, and what that makes ready."""
        while self._ready:
            handle, callback, args = self._ready.popleft()
            if not handle.is_cancelled:
                callback(*args)

    def advance(self, seconds: float) -> None:
        """Let time pass, running timers when they are due."""
        self.turn()
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            self._now, _, handle, callback, args = heapq.heappop(self._timers)
            if not handle.is_cancelled:
                callback(*args)
            self.turn()
        self._now = end
