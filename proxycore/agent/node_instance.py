"""One instance on this node: which revision runs, which one is on trial, and what comes back when it does not stand."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import BaseModel

from proxycore import tasks
from proxycore.agent.counters import WHOLE, Counters, Counts, Place
from proxycore.agent.documents import Documents, Record, Revision, Trial, TurnedBack, digest
from proxycore.agent.log_ring import LogRing
from proxycore.agent.spool import Worker
from proxycore.agent.supervisor import DRAIN_S, Supervisor, Target
from proxycore.agent.trial import Judge, Tunnel, tunnels_up
from proxycore.agent.usage import ProcessUsage
from proxycore.agent.worker_process import COMMAND
from proxycore.messages.events import MAX_TEXT_CHARS, Event, Kind
from proxycore.messages.link import Applied, Reverted, WantedInstance
from proxycore.messages.patch import merge
from proxycore.messages.worker import Complaint, Done, FromWorker, Happened, Hello, Limit, Logged, State

MAX_REASON_CHARS: Final = 500

_log = logging.getLogger("xrev.agent.instance")


class Reporter(Protocol):
    """Who passes on what is to be told."""

    def tell(self, message: BaseModel) -> None:
        """To the panel, if it is there; who is not hears it again when it asks."""

    def changed(self) -> None:
        """The state of an instance is another."""

    def happened(self, event: Event) -> None: ...

    def seen_of(self, instance: int, worker: Worker) -> Mapping[Place, Counts] | None:
        """What was counted of a worker that was found again."""

    def logged(self, instance: int, lines: Sequence[tuple[float, str, str]]) -> None:
        """New lines of its log."""


class NodeInstance:
    """What is asked of it is done one after the other, by one task, which lives as long as there is something to do."""

    def __init__(
        self, record: Record, documents: Documents, run_folder: Path, reporter: Reporter, *,
        command: Sequence[str] = COMMAND, clock: Callable[[], float] = time.time,
    ) -> None:
        self.number = record.instance
        self.log = LogRing()
        self.counters = Counters(record.instance)
        self.worker: Worker | None = None           # whose counters they are
        self._record = record
        self._documents = documents
        self._reporter = reporter
        self._clock = clock
        self._supervisor = Supervisor(record.instance, run_folder, self, command=command)
        self._judge: Judge | None = None
        self._wanted: WantedInstance | None = None
        self._is_unwanted = False
        self._is_restart_asked = False
        self._is_dead_on_trial = False
        self._is_stopped = False
        self._task: asyncio.Task[None] | None = None
        self._usage: ProcessUsage | None = None
        self._used: dict[str, int] = {}
        self._state: dict[str, Any] = {}            # the worker's part
        self._up_before: set[Tunnel] | None = None  # while another document is applied
        self._wanted_revision = 0
        self._shown: Revision | None = None         # what runs, or did before its worker died

    # what is asked of it

    @property
    def is_gone(self) -> bool:
        """Nothing runs, and nothing is to."""
        return self._record.current is None and self._wanted is None and self._task is None

    @property
    def is_running(self) -> bool:
        return self._supervisor.is_running

    @property
    def has(self) -> list[Revision]:
        """The documents that are here."""
        return [revision for revision in (self._record.good, self._record.pending) if revision is not None]

    async def begin(self, *, is_paused: bool = False) -> None:
        """Run what was kept; a worker that is still there is taken over, or stopped where the node is paused."""
        record = self._record
        hello = await self._supervisor.find()
        is_on_trial_later = is_paused and record.trial is not None       # when the node is resumed
        if record.pending is not None and not is_on_trial_later and not self._is_begun_with_pending(hello):
            pending, trial = record.pending, record.trial
            record.pending = record.trial = None
            if trial is not None and trial.is_begun:
                self._turn_back(pending, "its worker ended while the agent was away")
            self._save()
        if record.trial is not None:
            if not record.trial.is_begun:           # the worker runs it, and the agent before this one did not hear that any more
                record.trial.is_begun = True
                self._save()
            self._judge = Judge(record.trial)
        elif record.pending is not None:            # it was applied, which could not be written any more
            record.good, record.pending = record.pending, None
            self._save()
        self._show()
        if is_paused or record.current is None:
            await self.stop()
        else:
            self._supervisor.begin(self._target(record.current))

    def want(self, wanted: WantedInstance | None) -> None:
        """Run this, or nothing any more. The newest word counts."""
        self._wanted = wanted
        self._is_unwanted = wanted is None
        self._is_stopped = False
        self._act()

    def confirm(self, revision: int) -> None:
        trial, pending = self._record.trial, self._record.pending
        if trial is None or not trial.is_begun or pending is None or pending.revision != revision or trial.is_confirmed:
            return
        trial.is_confirmed = True
        self._save()
        self._act()

    def restart(self) -> None:
        self._is_restart_asked = True
        self._act()

    async def ask(self, what: str, arguments: dict[str, Any], timeout_s: float) -> Done:
        """Raises: LinkDown."""
        return await self._supervisor.ask(what, arguments, timeout_s)

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """The worker ends; the documents stay, and run again when they are wanted."""
        self._is_stopped = True
        await self._stop_acting()
        await self._supervisor.stop(drain_s)

    def hurry(self) -> None:
        """`stop` waits no longer."""
        self._supervisor.kill()

    async def leave(self) -> None:
        """The worker goes on without us."""
        await self._stop_acting()
        await self._supervisor.leave()

    def tick(self) -> None:
        """Once a second."""
        if self._judge is not None or self._is_dead_on_trial:
            self._act()

    def state(self) -> dict[str, Any]:
        """Its WorkerState. Parts of it change with the next one."""
        supervisor, record = self._supervisor, self._record
        state: dict[str, Any] = {**self._state, "phase": supervisor.phase, "restarts": supervisor.restarts}
        if pid := supervisor.pid:
            state["pid"] = pid
            state["since"] = supervisor.since
            if self._usage is None:
                self._usage = ProcessUsage(pid)
            state.update(self._usage.read())
        if (current := self._shown) is not None:
            state["revision"] = current.revision
        if record.trial is not None and record.trial.is_begun and record.pending is not None:
            state["pending"] = record.pending.revision
            state["confirm_until"] = record.trial.until
        if supervisor.last_exit:
            state["last_exit"] = supervisor.last_exit[:MAX_TEXT_CHARS]
        if self._wanted_revision and (current is None or self._wanted_revision != current.revision):
            state["wanted"] = self._wanted_revision
        if supervisor.complaint is not None:
            state["problem"] = _problem(supervisor.complaint)
        return state

    def use_up(self) -> None:
        """Note what users moved since the last time: a limit in bytes holds across workers. Before the counters are taken."""
        moved = self.counters.user_bytes()
        if not moved:
            return
        touched = [one for one in self.has if any(limit.bytes_left and limit.email in moved for limit in one.limits)]
        for revision in touched:
            revision.limits = _used_up(revision.limits, moved)
        if touched:
            self._save()

    # doing it, one after the other

    def _act(self) -> None:
        if self._task is None and not self._is_stopped:
            self._task = tasks.spawn(f"instance {self.number}", self._run())

    async def _run(self) -> None:
        try:
            while await self._step():
                pass
        except Exception:  # noqa: BLE001 - a bug of ours must not end what still can be done for this instance
            _log.exception("instance %d", self.number)
        finally:
            self._task = None

    async def _step(self) -> bool:
        """Do one thing; False where there is nothing to do."""
        if self._is_dead_on_trial:
            self._is_dead_on_trial = False
            if self._judge is not None:
                await self._revert(f"its worker died: {self._supervisor.last_exit}")
        elif self._is_unwanted:
            self._is_unwanted = False
            await self._remove()
        elif self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            await self._follow(wanted)
        elif self._is_restart_asked:
            self._is_restart_asked = False
            await self._supervisor.restart()
        elif self._judge is not None:
            verdict = self._judge.look(self._clock(), self._state, is_running=self._supervisor.is_running)
            if verdict is None:
                return False
            if verdict:
                await self._revert(verdict)
            else:
                self._stand()
        else:
            return False
        return True

    async def _stop_acting(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _remove(self) -> None:
        await self._supervisor.stop()
        self._documents.remove(self.number)
        self._record = Record(instance=self.number)
        self._judge = None
        self._show()
        self._wanted_revision = 0

    async def _follow(self, wanted: WantedInstance) -> None:
        record = self._record
        self._wanted_revision = wanted.revision
        back = record.turned_back
        if back is not None and (back.revision, back.document_sha256) == (wanted.revision, wanted.document_sha256):
            self._tell_reverted(back)
            return
        current = record.current
        if current is not None and current.document_sha256 == wanted.document_sha256:
            self._keep(current, wanted)
            return
        text = wanted.document if wanted.document is not None else self._documents.read_text(self.number, wanted.document_sha256)
        if text is None:
            self._refuse(wanted, [Complaint(text="this node does not have the document that the panel named: publish it again")])
        elif digest(text) != wanted.document_sha256:
            self._refuse(wanted, [Complaint(text="the document does not have the hash that the panel named")])
        else:
            await self._apply(wanted, text)

    def _keep(self, current: Revision, wanted: WantedInstance) -> None:
        """The document is the one that runs; what goes with it may be other."""
        trial = self._record.trial
        is_limited = bool(wanted.limits or current.limits or wanted.paused or current.paused)
        _take(current, wanted)
        self._pause(wanted)
        self._show()
        if trial is not None:
            if not self._supervisor.is_alive:       # the node was paused: the time begins anew
                trial.since, trial.until = self._clock(), self._clock() + wanted.confirm_s
            trial.needs_confirm = wanted.needs_confirm and wanted.confirm_s > 0
            if not wanted.confirm_s:                # the panel takes it for final
                self._stand()
        self._save()
        self._supervisor.begin(self._target(current))
        if is_limited:
            self._supervisor.set_limits(current.limits, current.paused)
        if self._supervisor.is_running:
            self._supervisor.complaint = None
            self._tell(Applied(instance=self.number, revision=current.revision))
        elif self._supervisor.complaint is not None:
            self._tell(Applied(instance=self.number, revision=current.revision, problems=[self._supervisor.complaint]))

    def _pause(self, wanted: WantedInstance) -> None:
        """Tunnels stay paused in a revision that comes back, too."""
        for one in self.has:
            one.paused = list(wanted.paused)

    async def _apply(self, wanted: WantedInstance, text: str) -> None:
        record = self._record
        revision = _take(Revision(revision=wanted.revision, document_sha256=wanted.document_sha256, name=wanted.name), wanted)
        try:
            self._documents.write_text(self.number, revision.document_sha256, text)
        except OSError as error:
            self._refuse(wanted, [Complaint(text=f"the node cannot write it down: {error.strerror}")])
            return
        self._pause(wanted)
        is_return = record.good is not None and record.good.document_sha256 == revision.document_sha256
        before = self._up_before = tunnels_up(self._state)
        before.update(record.trial.tunnels if record.trial is not None else ())
        trial = self._trial_of(wanted, before) if not is_return else None
        if not self._supervisor.is_alive:       # the node was paused: what it had is what stays if this cannot be run
            self._begin_again()
        previous = record.pending, record.trial, self._judge
        if not is_return:
            # Written before it is tried: an agent that is killed now finds out what it was doing.
            record.pending, record.trial = revision, trial
            self._save()
        self._judge = None
        try:
            done = await self._supervisor.apply(self._target(revision))
        except asyncio.CancelledError:
            if self._is_stopped and record.good is not None:        # it is tried when it is wanted again
                record.pending, record.trial, self._judge = previous
                self._save()
            raise
        finally:
            self._up_before = None
        if done.problems and record.good is not None:
            record.pending, record.trial, self._judge = previous
            self._save()
            self._refuse(wanted, done.problems)
            return
        revision.has_run = not done.problems
        if trial is not None:
            now = self._clock()
            trial.is_begun, trial.since, trial.until, trial.tunnels = True, now, now + wanted.confirm_s, sorted(before)
            self._judge = Judge(trial)
        else:
            record.good, record.pending, record.trial = revision, None, None
        record.turned_back = None
        self._save()
        self._show()
        if done.problems:                           # the first that this instance has: it is what is tried again
            self._refuse(wanted, done.problems)
            return
        self._supervisor.complaint = None
        self._tell(Applied(instance=self.number, revision=revision.revision, changes=done.changes))
        self.happened(Kind.APPLIED, f"revision {revision.revision} runs")

    def _trial_of(self, wanted: WantedInstance, before: set[Tunnel]) -> Trial | None:
        """None: it is final at once."""
        good = self._record.good
        if wanted.confirm_s <= 0 or good is None or not good.has_run:
            return None
        now = self._clock()
        return Trial(
            is_begun=False, since=now, until=now + wanted.confirm_s, needs_confirm=wanted.needs_confirm, tunnels=sorted(before))

    def _begin_again(self) -> None:
        """Run what there was; if that is on trial, its time begins anew."""
        current, trial = self._record.current, self._record.trial
        if trial is not None:
            now = self._clock()
            trial.since, trial.until = now, now + trial.until - trial.since
        if current is not None:
            self._supervisor.begin(self._target(current))

    def _refuse(self, wanted: WantedInstance, problems: list[Complaint]) -> None:
        self._supervisor.complaint = problems[0]
        self._tell(Applied(instance=self.number, revision=wanted.revision, problems=problems))
        self.happened(Kind.REFUSED_DOCUMENT, f"revision {wanted.revision} cannot be run: {problems[0].text}")

    def _stand(self) -> None:
        """The revision on trial is good."""
        record = self._record
        if record.pending is None:
            return
        was_asked = record.trial is not None and record.trial.is_confirmed
        record.good, record.pending, record.trial, self._judge = record.pending, None, None, None
        self._save()
        self.happened(Kind.CONFIRMED, f"revision {record.good.revision} stands{', as was confirmed' if was_asked else ''}")

    async def _revert(self, reason: str) -> None:
        record = self._record
        good, pending = record.good, record.pending
        assert good is not None         # there was a trial
        assert pending is not None
        self._judge = None
        record.pending, record.trial = None, None
        self._turn_back(pending, reason)
        self._save()
        self._show()
        target = self._target(good)
        done = await self._supervisor.apply(target)
        if done.problems:
            # It ran before, so this is about what is in its way now: it gets a process of its own, and again if need be.
            _log.error("instance %d: revision %d does not return at once: %s", self.number, good.revision, done.problems[0].text)
            self._supervisor.begin(target)
            await self._supervisor.restart()

    def _turn_back(self, revision: Revision, reason: str) -> None:
        back = TurnedBack(
            revision=revision.revision, document_sha256=revision.document_sha256, reason=reason[:MAX_REASON_CHARS])
        self._record.turned_back = back
        self._wanted_revision = revision.revision
        self._supervisor.complaint = Complaint(text=f"revision {revision.revision} did not stand: {back.reason}")
        self._tell_reverted(back)
        self.happened(Kind.REVERTED, f"revision {revision.revision} did not stand: {reason}")

    def _tell_reverted(self, back: TurnedBack) -> None:
        good = self._record.good
        self._tell(Reverted(
            instance=self.number, revision=back.revision, back_to=good.revision if good is not None else 0, reason=back.reason))

    def _is_begun_with_pending(self, hello: Hello | None) -> bool:
        pending = self._record.pending
        return hello is not None and pending is not None and hello.document_sha256 == pending.document_sha256

    def _target(self, revision: Revision) -> Target:
        return Target(
            name=f"{revision.name} #{revision.revision}", sha256=revision.document_sha256,
            text=lambda: self._documents.read_text(self.number, revision.document_sha256),
            limits=lambda: _used_up(revision.limits, self.counters.user_bytes()), paused=lambda: revision.paused,
            memory_bytes=revision.memory_bytes, descriptors=revision.descriptors)

    def _save(self) -> None:
        """A disk that is full keeps nobody from going on; the next agent would know less."""
        try:
            self._documents.save(self._record)
        except OSError as error:
            _log.error("instance %d: what it runs cannot be written down: %s", self.number, error)

    def _show(self) -> None:
        """What runs is another revision, or has another number. While one is only tried, it does not."""
        current = self._record.current
        self._shown = current if current is not None and current.has_run else None
        self._reporter.changed()

    def _tell(self, message: BaseModel) -> None:
        self._reporter.tell(message)

    # what its worker does: the Watcher of its Supervisor

    def worker_began(self, hello: Hello, *, is_found: bool) -> None:
        self._state = {}
        self._usage = ProcessUsage(self._supervisor.pid or hello.pid)
        self._reporter.changed()
        self.worker = (hello.pid, hello.since)
        self.counters.begin(self._reporter.seen_of(self.number, self.worker) if is_found else None)
        if is_found:
            self._tell_log("info", f"the worker that runs already, pid {hello.pid}, was taken over")
        else:
            self.happened(Kind.WORKER_STARTED, f"a worker was started, pid {hello.pid}")

    def worker_said(self, message: FromWorker) -> None:
        match message:
            case State(patch=patch, is_full=is_full):
                if is_full:
                    self._state = {}
                merge(self._state, patch)
                if self._up_before is not None:     # the worker says what is up right before it applies a document
                    self._up_before |= tunnels_up(self._state)
                self.counters.observe(self._state, WHOLE if is_full else patch)
                self._reporter.changed()
            case Happened(event=event):
                self._reporter.happened(event.model_copy(update={"instance": self.number}))
            case Logged(lines=lines):
                self._keep_lines(lines)

    def worker_printed(self, lines: list[str]) -> None:
        now = self._clock()
        self._keep_lines([(now, "output", line) for line in lines])

    def worker_runs(self, done: Done) -> None:
        current = self._record.current
        if current is None:
            return
        if not current.has_run:
            current.has_run = True
            self._save()
        self._show()
        self._tell(Applied(instance=self.number, revision=current.revision, changes=done.changes))

    def worker_died(self, how: str) -> None:
        self.happened(Kind.WORKER_DIED, f"the worker died: {how}")
        for kind, tag in sorted(tunnels_up(self._state)):
            self.happened(Kind.TUNNEL_DOWN, f"{kind} {tag} is gone with its worker", reason="worker_died", tag=tag)
        if self._judge is not None:
            self._is_dead_on_trial = True
            self._act()

    def worker_gone(self) -> None:
        self._state = {}
        self._usage = None
        self._reporter.changed()

    def happened(self, kind: Kind, text: str, reason: str = "", tag: str = "") -> None:
        self._reporter.happened(Event(
            kind=kind, at=self._clock(), instance=self.number, tag=tag, text=text[:MAX_TEXT_CHARS], reason=reason))
        level = "warning" if kind in (Kind.WORKER_DIED, Kind.CRASH_LOOP, Kind.REVERTED, Kind.REFUSED_DOCUMENT) else "info"
        _log.log(logging.WARNING if level == "warning" else logging.INFO, "instance %d: %s", self.number, text)
        self._tell_log(level, text)

    def _tell_log(self, level: str, text: str) -> None:
        self._keep_lines([(self._clock(), level, text)])

    def _keep_lines(self, lines: Sequence[tuple[float, str, str]]) -> None:
        self.log.add(lines)
        self._reporter.logged(self.number, lines)


def _take(revision: Revision, wanted: WantedInstance) -> Revision:
    """What goes with a document, as the panel says it now."""
    revision.revision, revision.name, revision.limits = wanted.revision, wanted.name, list(wanted.limits)
    revision.paused = list(wanted.paused)
    revision.memory_bytes, revision.descriptors = wanted.memory_bytes, wanted.descriptors
    return revision


def _used_up(limits: list[Limit], moved: Mapping[str, int]) -> list[Limit]:
    return [
        limit.model_copy(update={"bytes_left": max(0, limit.bytes_left - moved[limit.email])})
        if limit.bytes_left and limit.email in moved else limit
        for limit in limits
    ]


def _problem(complaint: Complaint) -> dict[str, Any]:
    """As state.Problem has it."""
    return {"text": complaint.text, **{
        key: value for key, value in (("path", complaint.path), ("line", complaint.line), ("column", complaint.column)) if value}}
