"""One worker's life: started or found again, given its document, started again when it dies, stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from proxycore import tasks
from proxycore.agent.backoff import Backoff
from proxycore.agent.worker_connection import WorkerConnection
from proxycore.agent.worker_process import COMMAND, WorkerProcess
from proxycore.errors import LinkDown
from proxycore.messages.events import Kind
from proxycore.messages.state import WorkerPhase
from proxycore.messages.worker import Ask, Complaint, Done, FromWorker, Hello, Limit, PausedTunnel, Run, SetLimits, Stop

START_S: Final = 30.0               # from the process's start until it listens on its socket
RUN_S: Final = 60.0                 # for a document to be read and run
ALIVE_S: Final = 60.0               # a worker that answers nothing for so long is ended
ALIVE_EVERY_S: Final = 15.0
CONNECT_EVERY_S: Final = 0.025
DRAIN_S: Final = 5.0
STOP_S: Final = 3.0                 # beyond the drain
FIRST_BACKOFF_S: Final = 0.5
MOST_BACKOFF_S: Final = 30.0
STEADY_S: Final = 30.0              # a worker that lived for so long is started again at once
LOOP_DEATHS: Final = 5
LOOP_S: Final = 60.0
EXIT_BAD_DOCUMENT: Final = 23
MAX_COMPLAINT_CHARS: Final = 2000
ALIVE: Final = "alive"
"""A question that no worker knows: that it says so is what is wanted."""

_log = logging.getLogger("xrev.agent.supervisor")


@dataclass(frozen=True)
class Target:
    """What a worker should run. `text` reads the document; `limits` and `paused` are as of now."""

    name: str
    sha256: str
    text: Callable[[], str | None]
    limits: Callable[[], list[Limit]]
    paused: Callable[[], list[PausedTunnel]] = list
    memory_bytes: int = 0
    descriptors: int = 0


class Watcher(Protocol):
    """Who is told what a worker does."""

    def worker_began(self, hello: Hello, *, is_found: bool) -> None:
        """Its counters begin: at zero, or where they were if it was found again."""

    def worker_said(self, message: FromWorker) -> None: ...

    def worker_printed(self, lines: list[str]) -> None: ...

    def worker_runs(self, done: Done) -> None:
        """The target runs, after a start (not after `apply`, which gives its Done to who called it)."""

    def worker_died(self, how: str) -> None:
        """It was not asked to."""

    def worker_gone(self) -> None:
        """There is no process, whatever the reason: nothing of what it said holds any more."""

    def happened(self, kind: Kind, text: str, reason: str = "") -> None: ...


class Supervisor:
    """Has at most one process. Whoever calls `apply`, `restart` and `stop` does so one after the other."""

    def __init__(
        self, number: int, run_folder: Path, watcher: Watcher, *, command: Sequence[str] = COMMAND,
        backoff: Backoff | None = None, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._socket = run_folder / f"{number}.sock"
        self._output = run_folder / f"{number}.out"
        self._watcher = watcher
        self._command = command
        self._backoff = backoff or Backoff(FIRST_BACKOFF_S, MOST_BACKOFF_S)
        self._clock = clock
        self._target: Target | None = None
        self._process: WorkerProcess | None = None
        self._connection: WorkerConnection | None = None
        self._running_sha256 = ""
        self._life: asyncio.Task[None] | None = None
        self._poked = asyncio.Event()
        self._answer: asyncio.Future[Done] | None = None        # who waits for the first Done
        self._deaths: deque[float] = deque(maxlen=LOOP_DEATHS)
        self._is_ending = False             # the process was asked to
        self.phase: WorkerPhase = "stopped"
        self.since = 0.0
        self.restarts = 0
        self.last_exit = ""
        self.complaint: Complaint | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def is_running(self) -> bool:
        return self.phase == "running"

    @property
    def is_alive(self) -> bool:
        """Whether it sees to it that there is a worker."""
        return self._life is not None

    @property
    def running_sha256(self) -> str:
        """Of the document that the worker runs; "" where it runs none."""
        return self._running_sha256 if self._connection is not None else ""

    def begin(self, target: Target) -> None:
        """Run `target`, now and after each death."""
        self._target = target
        if self._life is None:
            self.phase = "starting"
            self._life = tasks.spawn(f"worker {target.name}", self._live())

    async def find(self) -> Hello | None:
        """A worker that an agent before this one started, connected to; None where there is none that is well."""
        if not self._socket.exists():
            return None
        try:
            connection, pid = await WorkerConnection.open(self._socket, self._said, self._lost)
        except OSError:                         # it ended without removing its socket
            self._socket.unlink(missing_ok=True)
            return None
        try:
            hello = await connection.hello()
        except LinkDown as error:
            _log.warning("a worker that was found is not well, and is ended: %s", error)
            connection.close()
            if pid:
                await self._end_stranger(pid)
            return None
        self._process = WorkerProcess(pid or hello.pid, None, self._output, self._watcher.worker_printed)
        self._connection = connection
        self._running_sha256 = hello.document_sha256
        self.since = hello.since
        return hello

    async def apply(self, target: Target) -> Done:
        """Run `target` in place of what runs; where its Done has problems, the target before is what stays."""
        before, self._target = self._target, target
        if self.phase == "running" and self._connection is not None:
            done = await self._give(self._connection, target)
        else:
            self._answer = asyncio.get_running_loop().create_future()
            self._deaths.clear()
            self._backoff.reset()
            self._poked.set()
            self.begin(target)
            try:
                async with asyncio.timeout(START_S + RUN_S):
                    done = await self._answer
            except TimeoutError:
                done = Done(id=0, problems=[Complaint(text=f"the worker did not start: {self.last_exit or 'it is slow'}")])
            finally:
                self._answer = None
        if done.problems and before is not None:
            self._target = before
            if self.phase != "running":
                self._poked.set()
        return done

    def set_limits(self, limits: list[Limit], paused: list[PausedTunnel]) -> None:
        if self._connection is not None:
            self._connection.send(SetLimits(limits=limits, paused=paused))

    async def ask(self, what: str, arguments: dict[str, Any], timeout_s: float) -> Done:
        """Raises: LinkDown, there is no worker, or it does not answer."""
        if self._connection is None or self.phase != "running":
            raise LinkDown("its worker is not running")
        return await self._connection.run(lambda id_: Ask(id=id_, what=what, arguments=arguments), timeout_s)

    async def restart(self) -> None:
        """Stop the worker and start it again; ends a crash loop, and a wait."""
        self._deaths.clear()
        self._backoff.reset()
        await self._end_process(DRAIN_S)
        self._poked.set()

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Let the worker end, and start no other."""
        self.phase = "stopping"
        self._target = None
        await self._end_process(drain_s)
        await self._stop_living()
        self._gone()
        self.phase = "stopped"

    def kill(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    async def leave(self) -> None:
        """Let go of the worker, which goes on: the next agent finds it."""
        await self._stop_living()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.close()
            self._process = None

    async def _stop_living(self) -> None:
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait((self._life,))
            self._life = None

    # one process after the other

    async def _live(self) -> None:
        while self._target is not None:
            self._poked.clear()
            try:
                is_refused = await self._live_once()
            except Exception:  # noqa: BLE001 - a bug of ours must not leave the instance without a worker for good
                _log.exception("while a worker was looked after")
                self.phase, is_refused = "backing_off", False
                self.kill()
            self._gone()
            if self._target is None:
                return
            if self._is_ending:                 # a restart: at once
                self._is_ending = False
                continue
            if self.phase == "crash_loop" or is_refused:
                await self._poked.wait()
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._backoff.next_s()):
                        await self._poked.wait()
            self.restarts += 1

    async def _live_once(self) -> bool:
        """One process, to its end; True where its document is refused, so that another start is in vain."""
        begun = self._clock()
        self._is_ending = False
        self.phase = "starting"
        given, done = await self._bring_up()
        process = self._process
        if process is None:
            self.phase = "backing_off"
            self._complain(self.last_exit, given)
            return False
        if done is not None and not done.problems:
            done = await self._follow(given, done)
            self.phase = "running"
            self.complaint = None
            if not self._tell(done):
                self._watcher.worker_runs(done)
            await self._watch(process)
        elif done is not None:
            await self._await_end(process, STOP_S)
        await process.ended.wait()
        self.last_exit = process.how_it_ended
        if done is not None and done.problems:
            is_refused = process.exit_code == EXIT_BAD_DOCUMENT and given is self._target
            self.phase = "refused" if is_refused else "backing_off"
            if given is self._target:
                self.complaint = done.problems[0]
                self._tell(done)
            return is_refused
        if not self._is_ending:
            self._died(begun, given)
        return False

    async def _bring_up(self) -> tuple[Target | None, Done | None]:
        """Start a process, or go on with the one that was found, and give it the target; None where it came to no answer."""
        target = self._target
        assert target is not None
        if self._process is None:
            try:
                self._process = WorkerProcess.start(
                    self._socket, self._output, self._watcher.worker_printed,
                    command=self._command, memory_bytes=target.memory_bytes, descriptors=target.descriptors)
            except OSError as error:
                self.last_exit = f"no process could be started: {error.strerror}"
                _log.error("%s: %s", target.name, self.last_exit)
                return target, None
            self.since = time.time()
        process = self._process
        try:
            if self._connection is None:
                self._connection = await self._connect(process)
                hello = await self._connection.hello()
                if not process.has(hello.pid):
                    await self._end_stranger(hello.pid)
                    raise LinkDown("another process listened in its place")
            if self._running_sha256 == target.sha256:
                self.set_limits(target.limits(), target.paused())
                return target, Done(id=0)
            return target, await self._give(self._connection, target)
        except LinkDown as error:
            if not process.ended.is_set():
                _log.error("%s: %s, and is ended", target.name, error)
                process.signal(signal.SIGKILL)
            return target, None

    async def _follow(self, given: Target | None, done: Done) -> Done:
        """Targets that came while the worker started on `given`."""
        while self._target is not given and self._target is not None and self._connection is not None:
            newest = self._target
            newer = await self._give(self._connection, newest)
            self._tell(newer)
            if newer.problems:                  # it goes on with what it has; `apply` sees to the rest
                self._target = given
                break
            given, done = newest, newer
        return done

    async def _connect(self, process: WorkerProcess) -> WorkerConnection:
        """Raises: LinkDown, it ended or does not listen."""
        deadline = self._clock() + START_S
        while not process.ended.is_set():
            try:
                connection, _ = await WorkerConnection.open(self._socket, self._said, self._lost)
                return connection
            except OSError:
                if self._clock() > deadline:
                    raise LinkDown(f"the worker did not listen within {START_S:g} s") from None
                await asyncio.sleep(CONNECT_EVERY_S)
        raise LinkDown("the worker ended")

    async def _give(self, connection: WorkerConnection, target: Target) -> Done:
        text = target.text()
        if text is None:
            return Done(id=0, problems=[Complaint(text="the document is not on this node's disk any more: publish it again")])
        try:
            done = await connection.run(
                lambda id_: Run(id=id_, name=target.name, document=text, limits=target.limits(), paused=target.paused()), RUN_S)
        except LinkDown as error:
            return Done(id=0, problems=[Complaint(text=str(error))])
        if not done.problems:
            self._running_sha256 = target.sha256
        return done

    async def _watch(self, process: WorkerProcess) -> None:
        """Return when `process` has ended, or end it when it is not well."""
        while not process.ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_EVERY_S):
                    await process.ended.wait()
                return
            if self._connection is None or self._is_ending:
                continue
            try:
                await self._connection.run(lambda id_: Ask(id=id_, what=ALIVE), ALIVE_S)
            except LinkDown as error:
                if not process.ended.is_set() and not self._is_ending:
                    _log.error("a worker is not well, and is ended: %s", error)
                    process.signal(signal.SIGKILL)

    def _died(self, begun: float, given: Target | None) -> None:
        now = self._clock()
        if now - begun >= STEADY_S:
            self._backoff.reset()
        self._deaths.append(now)
        is_loop = len(self._deaths) == LOOP_DEATHS and now - self._deaths[0] <= LOOP_S
        self.phase = "crash_loop" if is_loop else "backing_off"
        self._complain(self.last_exit, given)
        self._watcher.worker_died(self.last_exit)
        if is_loop:
            self._watcher.happened(
                Kind.CRASH_LOOP,
                f"the worker died {LOOP_DEATHS} times within {LOOP_S:.0f} s and is not started again: {self.last_exit}")

    def _tell(self, done: Done) -> bool:
        """Whether somebody waited for it."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(done)
        return True

    def _complain(self, text: str, given: Target | None) -> None:
        if given is self._target:           # else who waits does so for another, which has not been tried yet
            self._tell(Done(id=0, problems=[Complaint(text=text[:MAX_COMPLAINT_CHARS])]))

    def _gone(self) -> None:
        """There is no process now."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._process = None
        self._running_sha256 = ""
        self._watcher.worker_gone()

    # ends

    async def _end_process(self, drain_s: float) -> None:
        process, connection = self._process, self._connection
        if process is None or process.ended.is_set():
            return
        self._is_ending = True
        self.phase = "stopping"
        if connection is not None:
            connection.send(Stop(drain_s=drain_s))
            await self._await_end(process, drain_s + STOP_S)
        process.signal(signal.SIGTERM)
        await self._await_end(process, STOP_S)
        process.signal(signal.SIGKILL)
        await process.ended.wait()

    async def _await_end(self, process: WorkerProcess, limit_s: float) -> None:
        """Kills nothing but a worker that refused its document and does not end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await process.ended.wait()
            return
        if not self._is_ending:
            process.signal(signal.SIGKILL)

    async def _end_stranger(self, pid: int) -> None:
        process = WorkerProcess(pid, None, self._output, lambda lines: None)
        process.signal(signal.SIGKILL)
        await process.ended.wait()
        self._socket.unlink(missing_ok=True)

    def _said(self, message: FromWorker) -> None:
        if isinstance(message, Hello):
            self._watcher.worker_began(message, is_found=self._process is None)
        else:
            self._watcher.worker_said(message)

    def _lost(self) -> None:
        """The connection broke: with the process, or it is useless without."""
        if self._process is not None and not self._process.ended.is_set() and not self._is_ending:
            tasks.spawn("lost worker", self._end_lost(self._process))

    async def _end_lost(self, process: WorkerProcess) -> None:
        await self._await_end(process, STOP_S)
