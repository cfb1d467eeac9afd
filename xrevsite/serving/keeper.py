"""One child process: started, watched, started again when it ends by itself, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

from xrevsite.serving.output import Lines, Output

FIRST_PAUSE_S: Final = 0.2
MAX_PAUSE_S: Final = 15.0
STEADY_S: Final = 30.0
"""Who lived so long is started again at once when it ends."""

SECRETS: Final = frozenset({"SECRET_KEY", "XREV_ENCRYPTION_KEYS", "DATABASE_URL", "REDIS_URL"})
KILL_S: Final = 5.0                     # from SIGKILL to giving up on it
PR_SET_PDEATHSIG: Final = 1

_log = logging.getLogger("xrevsite.serving")
_libc = ctypes.CDLL(None)               # loaded here: nothing may be between fork and exec


@dataclass(frozen=True, slots=True)
class Part:
    """What is kept running. `before` is waited for ahead of each start; `is_ready` says whether it answers (it may block)."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()
    stop_s: float = 10.0
    hears_twice: bool = False           # its second SIGTERM means: at once
    unwanted: tuple[bytes, ...] = ()    # what is in lines that help nobody
    final_codes: frozenset[int] = frozenset()       # it ended for good: another start would end alike
    has_secrets: bool = True            # whether it is told the panel's own: keys, the database
    before: Callable[[], Awaitable[None]] | None = None
    is_ready: Callable[[], bool] | None = None
    ready_s: float = 30.0


class Backoff:
    """How long to wait before the next start."""

    __slots__ = ("_pause_s",)

    def __init__(self) -> None:
        self._pause_s = 0.0

    def after(self, lived_s: float) -> float:
        self._pause_s = FIRST_PAUSE_S if lived_s >= STEADY_S or not self._pause_s else min(self._pause_s * 2, MAX_PAUSE_S)
        return self._pause_s


class _Running(asyncio.SubprocessProtocol):
    """A process that runs: its output, its end."""

    def __init__(self, lines: dict[int, Lines]) -> None:
        self._lines = lines
        self.ended = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._lines[fd].feed(data)

    def process_exited(self) -> None:
        self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        for lines in self._lines.values():
            lines.end()


class Keeper:
    """Keeps one part running, as a task that ends when `stop` was called."""

    def __init__(self, part: Part, output: Output) -> None:
        self.part = part
        self.starts = 0
        self._output = output
        self._transport: asyncio.SubprocessTransport | None = None
        self._running: _Running | None = None
        self._stopping = asyncio.Event()
        self._is_restart_wanted = False
        self._exit_code = 0

    @property
    def pid(self) -> int | None:
        return self._transport.get_pid() if self._transport is not None else None

    async def run(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            if self.part.before is not None:
                await self.part.before()
            if self._stopping.is_set():
                return
            begin = time.monotonic()
            try:
                await self._start()
            except OSError as error:
                _log.error("%s cannot be started: %s", self.part.name, error)
            else:
                if self._stopping.is_set():     # `stop` found nothing to end yet
                    await self.stop()
                how = await self._end()
                if self._stopping.is_set():
                    return
                if self._exit_code in self.part.final_codes:
                    _log.error("%s %s and is not started again: its lines above say why", self.part.name, how)
                    return
                if self._is_restart_wanted:
                    self._is_restart_wanted = False
                    continue
                _log.warning("%s %s after %.0f s and is started again", self.part.name, how, time.monotonic() - begin)
            await self._pause(backoff.after(time.monotonic() - begin))

    async def wait_until_ready(self) -> bool:
        """Whether it answers within the time that it has; of a part that nobody can ask, whether it was started."""
        end = time.monotonic() + self.part.ready_s
        while not (self.starts and (self.part.is_ready is None or await asyncio.to_thread(self.part.is_ready))):
            if self._stopping.is_set() or time.monotonic() > end:
                return False
            await asyncio.sleep(0.05)
        return True

    def restart(self) -> None:
        """End the process; another is started at once."""
        if self._transport is not None:
            self._is_restart_wanted = True
            self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """For a process that no longer answers."""
        self.signal(signal.SIGKILL)

    def hurry(self) -> None:
        """No more patience: the agent hears it by a second signal, so that it takes its workers along; others are killed."""
        self.signal(signal.SIGTERM if self.part.hears_twice else signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and end it after its time."""
        self._stopping.set()
        running = self._running
        if running is None or running.ended.is_set():
            return
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(running.ended.wait(), self.part.stop_s)
        except TimeoutError:
            _log.warning("%s did not stop within %g s and is killed", self.part.name, self.part.stop_s)
            self.kill()
            try:
                await asyncio.wait_for(running.ended.wait(), KILL_S)
            except TimeoutError:        # the system holds it, a disk that does not answer, say; the other parts are stopped still
                _log.error("%s, process %s, cannot be killed", self.part.name, self.pid)
                running.ended.set()

    def signal(self, number: int) -> None:
        if self._transport is not None and self._running is not None and not self._running.ended.is_set():
            with contextlib.suppress(ProcessLookupError):       # it ended just now; the loop will hear of it
                self._transport.send_signal(number)

    async def _start(self) -> None:
        lines = {fd: Lines(self._output, self.part.name, self.part.unwanted) for fd in (1, 2)}
        transport, running = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Running(lines),
            *self.part.command,
            stdin=asyncio.subprocess.DEVNULL,
            env=_environment(self.part),
            # A session of its own: Ctrl-C at a terminal reaches the supervisor alone, which stops the parts in order.
            start_new_session=True,
            pass_fds=self.part.descriptors,
            preexec_fn=partial(_end_with_parent, os.getpid()),
        )
        self._transport, self._running = transport, running
        self.starts += 1
        _log.info("%s runs as process %d", self.part.name, transport.get_pid())

    async def _end(self) -> str:
        """How it ended, in words."""
        running, transport = cast(_Running, self._running), cast(asyncio.SubprocessTransport, self._transport)
        await running.ended.wait()
        code = self._exit_code = transport.get_returncode() or 0
        transport.close()
        self._transport = None
        return f"was ended by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _environment(part: Part) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if part.has_secrets or name not in SECRETS}
    return {**inherited, **part.environment}


def _end_with_parent(parent: int) -> None:
    """In the child: it does not outlive the supervisor, whatever ends that (Linux only)."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:      # it died before the line above
            os._exit(1)
