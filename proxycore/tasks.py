"""The sole maker of tasks: each has a name, is kept until it ends, and a failure is logged.

Tasks are for dialling, timers and supervision. Nothing on the byte path makes one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_log = logging.getLogger("xrev.tasks")
_running: set[asyncio.Task[Any]] = set()      # the loop itself keeps only weak references


def spawn(name: str, coro: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    """Run `coro` as a task called `name`. If nobody awaits it, its exception still reaches the log."""
    task = asyncio.create_task(coro, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def running() -> frozenset[asyncio.Task[Any]]:
    """The tasks that have not ended, for shutting down."""
    return frozenset(_running)


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("task %s failed", task.get_name(), exc_info=error)
