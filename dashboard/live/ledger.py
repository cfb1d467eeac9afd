"""What of a connection goes into the database: one thing after the other, beside what is said meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from dashboard.live.tasks import spawn

MAX_WAITING: Final = 500
END_S: Final = 5.0                  # for what is left when the connection ends

logger = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]


class Ledger:
    """Does each `Work` in order. One that fails is logged, and the next one is done."""

    __slots__ = ("_name", "_task", "_waiting")

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: asyncio.Queue[Work] = asyncio.Queue(MAX_WAITING)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = spawn(f"ledger of {self._name}", self._run())

    def put(self, work: Work) -> bool:
        """False: too much waits already."""
        try:
            self._waiting.put_nowait(work)
        except asyncio.QueueFull:
            return False
        return True

    async def end(self) -> None:
        """Do what waits, for a while, and stop."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(END_S):
                await self._waiting.join()
        except TimeoutError:
            logger.warning("%s: %d things were not written", self._name, self._waiting.qsize())
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            work = await self._waiting.get()
            try:
                await work()
            except Exception:       # the next thing has nothing to do with it
                logger.exception("%s: something that a node said was not written", self._name)
            finally:
                self._waiting.task_done()
