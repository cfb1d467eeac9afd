"""Starts the parts in order, keeps them, and stops them in the opposite order."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from proxycore import tasks
from xrevsite.serving.beat import Beat
from xrevsite.serving.keeper import Keeper, Part
from xrevsite.serving.output import Output
from xrevsite.serving.parts import WEB
from xrevsite.serving.systemd import notify

LIVE_PAUSE_S: Final = 10.0
LIVE_FAILURES: Final = 3
"""So many times in a row without an answer, and the web server is taken for stuck."""

_log = logging.getLogger("xrevsite.serving")


class Supervisor:
    """`when_up` is run once, when all parts that can be asked answer, and beside everything else."""

    def __init__(self, parts: Sequence[Part], beat: Beat | None, output: Output, when_up: Callable[[], Awaitable[None]]) -> None:
        self.keepers = [Keeper(part, output) for part in parts]
        self._beat = beat
        self._output = output
        self._when_up = when_up
        self._stopping = asyncio.Event()
        self._hurrying = False

    async def run(self) -> bool:
        """Until a signal. Whether all came up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop_signal)
        loop.add_signal_handler(signal.SIGHUP, self._on_hang_up)
        flushing = tasks.spawn("flush the log", self._flush())
        running: list[asyncio.Task[None]] = []
        try:
            is_up = await self._start(running)
            if is_up and not self._stopping.is_set():
                await self._keep()
        finally:
            notify("STOPPING=1")
            await self._stop()
            await asyncio.gather(*running)
            flushing.cancel()
            _log.info("stopped")
            self._output.flush()
        return is_up

    async def _start(self, running: list[asyncio.Task[None]]) -> bool:
        """One after the other, each when the one before it answers. Whether all do."""
        for keeper in self.keepers:
            if self._stopping.is_set():
                break
            running.append(tasks.spawn(f"keep {keeper.part.name}", keeper.run()))
            if not await self._ready(keeper):
                return False
        return True

    async def _keep(self) -> None:
        """All is up: until a signal."""
        if self._beat is not None:
            self._beat.start()
        notify("READY=1")
        watching = [tasks.spawn("say that all is up", self._say_up())]
        watching += [tasks.spawn("watch web", self._watch(keeper)) for keeper in self.keepers if keeper.part.name == WEB]
        await self._stopping.wait()
        for task in watching:
            task.cancel()

    async def _say_up(self) -> None:
        await self._when_up()

    async def _ready(self, keeper: Keeper) -> bool:
        """Whether it answers; True as well where all is to stop."""
        waiting = tasks.spawn(f"wait for {keeper.part.name}", keeper.wait_until_ready())
        stopping = tasks.spawn("wait for a signal", self._stopping.wait())
        await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not waiting.done():
            waiting.cancel()
            return True
        if not waiting.result():
            _log.error("%s did not answer within %g s: its lines above say why", keeper.part.name, keeper.part.ready_s)
            return False
        return True

    async def _stop(self) -> None:
        if self._beat is not None:
            await asyncio.to_thread(self._beat.stop)
        for keeper in reversed(self.keepers):
            if self._hurrying:
                keeper.hurry()
            await keeper.stop()

    def _on_stop_signal(self) -> None:
        if self._stopping.is_set():
            self._hurrying = True
            for keeper in self.keepers:
                keeper.hurry()
        self._stopping.set()

    def _on_hang_up(self) -> None:
        """New certificates are read by a new web server; the sockets stay."""
        for keeper in self.keepers:
            if keeper.part.name == WEB:
                _log.info("web is started again, as SIGHUP asks")
                keeper.restart()

    async def _watch(self, keeper: Keeper) -> None:
        """A web server that lives and does not answer is ended."""
        failures = 0
        while True:
            await asyncio.sleep(LIVE_PAUSE_S)
            is_live = keeper.part.is_ready is None or await asyncio.to_thread(keeper.part.is_ready)
            failures = 0 if is_live else failures + 1
            if failures >= LIVE_FAILURES:
                _log.error("%s has not answered %d times in a row and is started again", keeper.part.name, failures)
                failures = 0
                keeper.kill()

    async def _flush(self) -> None:
        """What the log could not take at once."""
        while True:
            await asyncio.sleep(0.5)
            self._output.flush()
