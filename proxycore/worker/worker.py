"""What an agent's messages do, and what the agent is told: state once a second, events at once, lines of the log soon after.

Whatever the agent does, or does not read, the data plane goes on: nothing here waits for it.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from proxycore import __version__, logs, tasks
from proxycore.cli import EXIT_BAD_DOCUMENT, EXIT_STOPPED
from proxycore.document.model import LoadedDocument
from proxycore.document.problems import DocumentError
from proxycore.errors import ConfigError
from proxycore.instance import Instance
from proxycore.live.sessions import Sessions
from proxycore.live.tree import LiveTree
from proxycore.messages import beat
from proxycore.messages.events import Event, Kind
from proxycore.messages.patch import difference
from proxycore.messages.worker import (
    Ask,
    Complaint,
    Done,
    Happened,
    Hello,
    Limit,
    Logged,
    PausedTunnel,
    Run,
    SetLimits,
    State,
    Stop,
    ToWorker,
)
from proxycore.process import EXIT_NOT_STARTED
from proxycore.reloading import settle
from proxycore.reverse.paused import Pause
from proxycore.worker.door import AgentConnection
from proxycore.worker.limits import Limits, Reason
from proxycore.worker.lines import Lines
from proxycore.worker.questions import Answers
from proxycore.worker.reading import complaint, complaints, read, words

MAX_EVENTS: Final = 1000
"""That wait for an agent; the oldest go first."""

MAX_ORDERS: Final = 16
"""Documents, and limits of them, that wait for the document that is being read."""

ORPHAN_DRAIN_S: Final = 5.0
SMALL_CHARS: Final = 256 * 1024
LOOKS_EVERY: Final = 16
"""After so many documents that are not small, the collector looks through everything."""

QUIET_LAG_MS: Final = 10
"""A loop that is no later than this is on time."""

_WORDS: Final[dict[Reason, str]] = {
    "expired": "has expired", "used_up": "has used up its traffic", "switched_off": "was switched off"}

_log = logging.getLogger("xrev.worker")


class Worker:
    """One process's. `run` returns the exit code."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, orphan_s: float, as_json: bool = False, now: Callable[[], float] = time.time
    ) -> None:
        """`now` is Unix time. `as_json`: how the file is written that a document names for its log."""
        self._loop = loop
        self._now = now
        self._since = now()
        self._orphan_s = orphan_s
        self._as_json = as_json
        self._ended: asyncio.Future[int] = loop.create_future()
        self.lines = Lines(loop, self._send_lines)
        self._agent: AgentConnection | None = None
        self._orphan: asyncio.TimerHandle | None = loop.call_later(orphan_s, self._on_orphan)
        self._instance: Instance | None = None
        self._tree: LiveTree | None = None
        self._answers: Answers | None = None
        self._loaded: LoadedDocument | None = None      # with the credentials that are out by now
        self._name = self._sha256 = ""
        self._limits = Limits((), 0.0, lambda _email: 0)
        self._unstopped: list[tuple[Limit, Reason]] | None = None       # told when it could be done; None: it is
        self._orders: deque[tuple[Run | SetLimits, AgentConnection]] = deque()     # in their order
        self._is_reading = False
        self._applied = 0                   # documents that were read
        self._is_stopping = False
        self._said: Any = {}                # the tree as the agent has it
        self._is_new = True                 # the agent has none yet
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._tick_at = loop.time() + beat.until_next(time.time(), beat.WORKER_S)
        self._tick = loop.call_at(self._tick_at, self._on_tick)

    async def run(self) -> int:
        """Until it was stopped, or cannot begin."""
        code = await self._ended
        self._tick.cancel()
        if self._orphan is not None:
            self._orphan.cancel()
        if self._instance is not None:
            self._send_state()              # what moved since the last time
            self._instance.stop()
        if self._agent is not None:
            self._send_lines()
            self._agent.close()
        return code

    def stop(self, drain_s: float) -> None:
        """Let connections go on for so long, then end. Asked again: end at once."""
        if self._is_stopping or self._instance is None:
            self._end(EXIT_STOPPED)
            return
        self._is_stopping = True
        _log.info("stopping: connections may go on for %g s", drain_s)
        tasks.spawn("drain", self._drain(self._instance, drain_s))

    # the agent: see door.Servant

    def connected(self, agent: AgentConnection) -> None:
        before, self._agent = self._agent, agent
        if before is not None:
            _log.warning("another agent has connected: the one before is no longer listened to")
            before.abort()
        if self._orphan is not None:
            self._orphan.cancel()
            self._orphan = None
        agent.send(Hello(
            pid=os.getpid(), since=self._since, version=__version__, name=self._name, document_sha256=self._sha256))
        self._is_new = True
        self._send_state()
        self.drained()

    def lost(self, agent: AgentConnection) -> None:
        if agent is self._agent:
            self._agent = None
            if not self._ended.done():
                _log.warning("the agent is gone: without another this worker stops in %g s", self._orphan_s)
                self._orphan = self._loop.call_later(self._orphan_s, self._on_orphan)

    def drained(self) -> None:
        while self._events and self._agent is not None and not self._agent.is_full:
            self._agent.send(Happened(event=self._events.popleft()))
        self._send_lines()

    def said(self, message: ToWorker, agent: AgentConnection) -> None:
        if agent is not self._agent:
            return
        match message:
            case Run() | SetLimits():
                self._enqueue(message, agent)
            case Ask():
                self._answer(message, agent)
            case Stop():
                self.stop(max(message.drain_s, 0.0))

    # documents

    def _enqueue(self, message: Run | SetLimits, agent: AgentConnection) -> None:
        if isinstance(message, SetLimits):
            if self._orders and isinstance(self._orders[-1][0], SetLimits):
                self._orders.pop()          # these are all there are
        elif len(self._orders) >= MAX_ORDERS or self._is_stopping:
            reason = "the worker is stopping" if self._is_stopping else "too many documents wait to be read"
            agent.send(Done(id=message.id, problems=[words(reason)]))
            return
        self._orders.append((message, agent))
        if not self._is_reading:
            self._is_reading = True
            tasks.spawn("run documents", self._follow_orders())

    async def _follow_orders(self) -> None:
        try:
            while self._orders and not self._ended.done():
                message, agent = self._orders.popleft()
                if isinstance(message, SetLimits):
                    self._pause(message.paused)
                    self._set_limits(message.limits)
                    continue
                try:
                    done = await self._run(message)
                except Exception as error:  # noqa: BLE001 - a bug of ours must not leave the agent without an answer
                    _log.exception("while a document was applied")
                    done = Done(id=message.id, problems=[words(f"the worker has a bug: {type(error).__name__}")])
                    if self._instance is None:
                        self._end(EXIT_NOT_STARTED)
                agent.send(done)
                self._send_state()
        finally:
            self._is_reading = False

    async def _run(self, message: Run) -> Done:
        """Read the document and put it in the place of the one that runs; nothing changes where that cannot be."""
        is_first = self._instance is None
        gc.disable()        # to look again and again through what is being read is in vain, and everything stands meanwhile
        try:
            return await self._read_and_apply(message, is_first=is_first)
        finally:
            self._applied += 1
            is_small = len(message.document) < SMALL_CHARS
            settle(is_whole=is_first or is_small or self._applied % LOOKS_EVERY == 0)

    async def _read_and_apply(self, message: Run, *, is_first: bool) -> Done:
        try:
            loaded = await read(message.document, message.name or "document")
        except DocumentError as error:
            return self._refused(message, complaints(error.problems), EXIT_BAD_DOCUMENT if is_first else None)
        if self._is_stopping:
            return Done(id=message.id, problems=[words("the worker is stopping")])
        for warning in loaded.warnings:
            _log.warning("%s", warning)
        limits = Limits(message.limits, self._now(), self._moved)
        try:
            beside = self._open_log(loaded)
            try:
                changes = await self._put_in_place(limits.without_those_out(loaded), message.paused)
            except BaseException:
                if beside is not None:
                    beside.close()
                raise
        except ConfigError as error:
            problems = [complaint(loaded.problem_at(error.path, error.reason))]
            return self._refused(message, problems, EXIT_NOT_STARTED if is_first else None)
        self._log_to(loaded, beside)
        self._loaded, self._limits, self._unstopped = loaded, limits, None
        self._name, self._sha256 = message.name, hashlib.sha256(message.document.encode("utf-8", "surrogatepass")).hexdigest()
        for line in changes:
            _log.info("%s", line)
        _log.info("%s runs", message.name or "the document")
        return Done(id=message.id, changes=changes)

    async def _put_in_place(self, loaded: LoadedDocument, paused: list[PausedTunnel]) -> list[str]:
        """Raises: ConfigError."""
        if self._instance is not None:
            self._send_state()              # the agent is to know what was up until now, not a second ago
            self._pause(paused)
            return list(self._instance.apply(loaded).lines())
        instance = Instance(loaded, self._loop)
        instance.ground.news.listener = self._on_event
        instance.ground.paused.use(_pauses(paused))
        await instance.start()
        self._tree = LiveTree(instance, self._loop.time, self._now)
        self._answers = Answers(instance, Sessions(instance, self._tree.carriers))
        self._instance = instance
        return []

    def _refused(self, message: Run, problems: list[Complaint], exit_code: int | None) -> Done:
        first = problems[0] if problems else words("it cannot be run")
        _log.error("%s was not applied: %s: %s", message.name or "the document", first.path, first.text)
        if exit_code is not None:
            self._end(exit_code)
        return Done(id=message.id, problems=problems or [first])

    def _open_log(self, loaded: LoadedDocument) -> logging.Handler | None:
        """The file that the document names for its log. Raises: ConfigError."""
        log = loaded.log
        if log.error in ("", "none"):
            return None
        try:
            return logs.open_handler(log.error, log.mask_address, as_json=self._as_json)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise ConfigError("log.error", f"{log.error!r} cannot be written: {reason}") from None

    def _log_to(self, loaded: LoadedDocument, beside: logging.Handler | None) -> None:
        before, self.lines.beside = self.lines.beside, beside
        if before is not None:
            before.close()
        self.lines.mask = logs.masker(loaded.log.mask_address)
        logs.set_level(logs.level_of(loaded.log.loglevel, loaded.log.error))

    # credentials

    def _moved(self, email: str) -> int:
        if self._instance is None:
            return 0
        user = self._instance.ground.stats.users.get(email)
        return 0 if user is None else user.uplink + user.downlink

    def _set_limits(self, limits: list[Limit]) -> None:
        if self._instance is None or self._is_stopping:
            return
        self._instance.ground.stats.settle()
        before = {limit.path for limit, _ in self._limits.out} - {limit.path for limit, _ in self._unstopped or ()}
        self._limits = Limits(limits, self._now(), self._moved)
        self._apply_limits([one for one in self._limits.out if one[0].path not in before])

    def _look_at_limits(self) -> None:
        assert self._instance is not None
        if self._limits.count_bytes:
            self._instance.ground.stats.settle()
        stopped = self._limits.look(self._now(), self._moved)
        if stopped or self._unstopped is not None:
            self._apply_limits([*(self._unstopped or ()), *stopped])

    def _apply_limits(self, stopped: list[tuple[Limit, Reason]]) -> None:
        """What runs is the document without the credentials that are out; `stopped` are those that were not before. What
        is in the way (the folder of a log file is gone, say) may not be the next time: then it is tried again."""
        assert self._instance is not None
        assert self._loaded is not None
        try:
            self._instance.apply(self._limits.without_those_out(self._loaded))
        except ConfigError as error:
            if self._unstopped is None:
                _log.error("credentials could not be stopped: %s", error)
            self._unstopped = stopped
            return
        self._unstopped = None
        tags = {inbound.path: inbound.tag for inbound in self._loaded.document.inbounds}
        for limit, reason in stopped:
            inbound = limit.path.partition(".")[0]
            text = f"{limit.email or limit.path} {_WORDS[reason]}"
            _log.info("%s: its connections were ended", text)
            self._instance.ground.news.tell(Kind.CREDENTIAL_STOPPED, tags.get(inbound, ""), text, reason=reason)

    def _pause(self, tunnels: list[PausedTunnel]) -> None:
        """These take no new clients from now on, and all others do."""
        if self._instance is None:
            return
        ground = self._instance.ground
        paused, resumed = ground.paused.use(_pauses(tunnels))
        for one in paused:
            ground.news.tell(Kind.PAUSED, one.tag, f"the {one.kind} takes no new clients for now")
        for one in resumed:
            ground.news.tell(Kind.RESUMED, one.tag, f"the {one.kind} takes new clients again")

    # what is asked

    def _answer(self, message: Ask, agent: AgentConnection) -> None:
        try:
            if self._answers is None:
                raise ValueError("nothing runs yet")
            if self._answers.takes_time(message.what):
                tasks.spawn(f"answer {message.what}", self._answer_later(message, agent, self._answers))
                return
            done = Done(id=message.id, answer=self._answers.answer(message.what, message.arguments))
        except ValueError as error:
            done = Done(id=message.id, problems=[words(_sentence(error))])
        except Exception as error:      # noqa: BLE001 - a bug of ours must not leave the agent without an answer
            _log.exception("while answering %s", message.what)
            done = Done(id=message.id, problems=[words(f"the worker has a bug: {type(error).__name__}")])
        agent.send(done)

    async def _answer_later(self, message: Ask, agent: AgentConnection, answers: Answers) -> None:
        try:
            agent.send_frame(await answers.answer_later(message.id, message.what, message.arguments))
        except ValueError as error:
            agent.send(Done(id=message.id, problems=[words(_sentence(error))]))
        except Exception as error:  # noqa: BLE001 - the same
            _log.exception("while answering %s", message.what)
            agent.send(Done(id=message.id, problems=[words(f"the worker has a bug: {type(error).__name__}")]))

    # what is told

    def _on_tick(self) -> None:
        now = self._loop.time()
        lag_ms = max(now - self._tick_at, 0.0) * 1000
        self._tick_at = now + beat.until_next(time.time(), beat.WORKER_S)
        self._tick = self._loop.call_at(self._tick_at, self._on_tick)
        try:
            if self._instance is not None and not self._is_stopping:
                self._look_at_limits()
            self._send_state(lag_ms)
        except Exception:   # noqa: BLE001 - a bug of ours must not end the telling
            _log.exception("while looking at what runs")

    def _send_state(self, lag_ms: float = 0.0) -> None:
        agent = self._agent
        if agent is None or agent.is_full or self._tree is None:
            return
        tree = self._tree.look()
        tree["lag_ms"] = round(lag_ms) if lag_ms > QUIET_LAG_MS else 0
        if self._is_new:
            self._is_new = False
            agent.send(State(patch=dict(tree), is_full=True))
        elif patch := difference(self._said, tree):
            agent.send(State(patch=patch))
        self._said = tree

    def _on_event(self, event: Event) -> None:
        if self._agent is None or self._agent.is_full:
            self._events.append(event)
        else:
            self._agent.send(Happened(event=event))

    def _send_lines(self) -> None:
        while self._agent is not None and not self._agent.is_full and (lines := self.lines.take()):
            self._agent.send(Logged(lines=lines))

    # the end

    async def _drain(self, instance: Instance, drain_s: float) -> None:
        await instance.drain(drain_s)
        self._end(EXIT_STOPPED)

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    def _on_orphan(self) -> None:
        self._orphan = None
        _log.warning("no agent for %g s: stopping", self._orphan_s)
        self.stop(ORPHAN_DRAIN_S)


def _pauses(tunnels: list[PausedTunnel]) -> list[Pause]:
    return [Pause(one.kind, one.tunnel) for one in tunnels]


def _sentence(error: ValueError) -> str:
    """What is wrong, without the value."""
    found = getattr(error, "errors", None)
    if found is None:
        return str(error)[:500]
    first = found(include_input=False, include_url=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return f"{place}: {first['msg']}"[:500]
