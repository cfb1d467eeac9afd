"""One worker's life under a Supervisor in this process, with patience cut short."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource
import shlex
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from proxycore.agent import supervisor as module
from proxycore.agent.backoff import Backoff
from proxycore.agent.supervisor import Supervisor, Target
from proxycore.errors import LinkDown
from proxycore.messages.events import Kind
from proxycore.messages.worker import Done, FromWorker, Hello
from tests.support.node import LIGHT_WORKER, workers_of
from tests.support.processes import ROOT


class Watched:
    """What was told of a worker."""

    def __init__(self) -> None:
        self.hellos: list[tuple[int, bool]] = []
        self.said: list[Any] = []
        self.printed: list[str] = []
        self.died: list[str] = []
        self.ran = 0
        self.kinds: list[Kind] = []

    def worker_began(self, hello: Hello, *, is_found: bool) -> None:
        self.hellos.append((hello.pid, is_found))

    def worker_said(self, message: FromWorker) -> None:
        self.said.append(message)

    def worker_printed(self, lines: list[str]) -> None:
        self.printed += lines

    def worker_runs(self, done: Done) -> None:
        self.ran += 1

    def worker_died(self, how: str) -> None:
        self.died.append(how)

    def worker_gone(self) -> None:
        pass

    def happened(self, kind: Kind, text: str, reason: str = "") -> None:
        self.kinds.append(kind)


def target(document: dict[str, Any], **more: Any) -> Target:
    text = json.dumps(document)
    return Target(name="test #1", sha256=hashlib.sha256(text.encode()).hexdigest(), text=lambda: text, limits=list, **more)


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


class Place:
    """A run folder, and the supervisors that had it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.run.mkdir(mode=0o700)
        self.supervisors: list[Supervisor] = []

    def gated(self, name: str) -> tuple[str, Path]:
        """The command of a worker that begins once there is a file; that file."""
        gate = self.folder / name
        return f"sh -c 'until [ -e {gate} ]; do sleep 0.05; done; exec {LIGHT_WORKER} \"$@\"' sh", gate

    def supervisor(self, command: str = LIGHT_WORKER) -> tuple[Supervisor, Watched]:
        watched = Watched()
        one = Supervisor(1, self.run, watched, command=shlex.split(command), backoff=Backoff(0.05, 0.1))
        self.supervisors.append(one)
        return one, watched


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(module, "ALIVE_EVERY_S", 0.3)
    monkeypatch.setattr(module, "STOP_S", 1.0)
    with tempfile.TemporaryDirectory(prefix="xrev-") as folder:
        place = Place(Path(folder))
        yield place
        for one in place.supervisors:
            await one.stop(0)
        for pid in workers_of(place.folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def test_a_worker_that_answers_nothing_any_more_is_replaced(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALIVE_S", 0.5)
    supervisor, watched = place.supervisor()
    assert (await supervisor.apply(target({}))).problems == []
    os.kill(supervisor.pid, signal.SIGSTOP)
    await until(lambda: watched.died)
    assert watched.died == ["it was ended by SIGKILL"]
    await until(lambda: watched.ran)
    assert len(workers_of(place.folder)) == 1


async def test_a_worker_that_is_well_is_let_alone(place: Place) -> None:
    supervisor, watched = place.supervisor()
    await supervisor.apply(target({}))
    connection = supervisor._connection
    assert connection is not None
    await until(lambda: connection._last_id >= 5)       # it is asked again once it has answered
    assert watched.died == []
    assert supervisor.is_running


async def test_a_restart_is_not_a_death(place: Place) -> None:
    supervisor, watched = place.supervisor()
    await supervisor.apply(target({}))
    before = supervisor.pid
    await supervisor.restart()
    await until(lambda: watched.ran)
    assert supervisor.pid != before
    assert (watched.died, supervisor.restarts) == ([], 0)


async def test_a_document_that_comes_while_the_worker_starts_is_the_one_that_runs(place: Place) -> None:
    supervisor, _ = place.supervisor()
    supervisor.begin(target({"first": 1}))
    await asyncio.sleep(0)
    newer = target({"second": 1})
    assert (await supervisor.apply(newer)).problems == []
    assert supervisor.running_sha256 == newer.sha256


async def test_one_that_is_refused_while_the_worker_starts_leaves_the_first(place: Place) -> None:
    supervisor, _ = place.supervisor()
    first = target({"first": 1})
    supervisor.begin(first)
    await asyncio.sleep(0)
    assert (await supervisor.apply(target({"refuse": "no"}))).problems[0].text == "no"
    await until(lambda: supervisor.is_running and supervisor.running_sha256 == first.sha256)


async def test_what_cannot_be_started_at_all_is_said_and_tried_again(place: Place) -> None:
    supervisor, watched = place.supervisor("/no/such/program")
    done = await supervisor.apply(target({}))
    assert done.problems[0].text == "no process could be started: No such file or directory"
    await until(lambda: supervisor.restarts > 2)
    assert watched.kinds == []


async def test_a_program_that_is_no_worker_dies_with_its_last_words(place: Place) -> None:
    supervisor, watched = place.supervisor("sh -c 'echo I am no worker >&2; exit 9'")
    done = await supervisor.apply(target({}))
    assert done.problems[0].text == "it ended with exit code 9: I am no worker"
    await until(lambda: Kind.CRASH_LOOP in watched.kinds)
    assert supervisor.phase == "crash_loop"
    assert len(watched.died) == 5


async def test_what_it_prints_is_read_at_a_bounded_rate_and_never_blocks_it(place: Place) -> None:
    supervisor, watched = place.supervisor()
    async with asyncio.timeout(15):
        assert (await supervisor.apply(target({"print": 20_000}))).problems == []
    assert (await supervisor.ask("sessions", {}, 5)).answer["what"] == "sessions"
    await until(lambda: watched.printed)
    assert watched.printed[0] == "line 0"


async def test_the_next_agent_reads_on_what_it_prints(place: Place) -> None:
    first, first_watched = place.supervisor()
    await first.apply(target({"print": 1}))
    await until(lambda: first_watched.printed == ["line 0"])        # else it is the next one that reads it
    await first.leave()
    second, watched = place.supervisor()
    hello = await second.find()
    assert hello is not None
    second.begin(target({"print": 3}))
    await until(lambda: second.is_running)
    await until(lambda: watched.printed == ["line 0", "line 1", "line 2"])
    assert watched.hellos == [(hello.pid, True)]
    os.kill(hello.pid, signal.SIGKILL)
    await until(lambda: watched.died)
    assert "how is not known" in watched.died[0]
    await until(lambda: watched.ran == 2)


async def test_a_worker_that_does_not_stop_is_killed(place: Place) -> None:
    supervisor, _ = place.supervisor()
    await supervisor.apply(target({}))
    os.kill(supervisor.pid, signal.SIGSTOP)
    await supervisor.stop(0)
    assert workers_of(place.folder) == []
    with pytest.raises(LinkDown):
        await supervisor.ask("sessions", {}, 1)


async def test_a_worker_that_was_left_behind_unseen_is_ended(place: Place) -> None:
    """An agent was killed between the start of a process and its first word: the next one finds no socket, and starts another."""
    command, gate = place.gated("first")
    first, _ = place.supervisor(command)
    first.begin(target({"first": 1}))
    await until(lambda: first.pid)
    unseen = first.pid
    await first.leave()
    command, second_gate = place.gated("second")
    second, watched = place.supervisor(command)
    assert await second.find() is None
    document = target({"second": 1})
    second.begin(document)
    await until(lambda: second.pid)
    gate.touch()                                        # it is the first that comes to listen
    await until(lambda: watched.died)
    second_gate.touch()
    await until(lambda: second.is_running and second.running_sha256 == document.sha256)
    assert workers_of(place.folder) == [second.pid]
    assert second.pid != unseen
    assert watched.died == ["it was ended by SIGKILL"]


async def test_what_a_wrapped_worker_started_ends_with_it(place: Place) -> None:
    supervisor, watched = place.supervisor(f"sh -c '{LIGHT_WORKER} \"$@\"; exit 5' sh")
    await supervisor.apply(target({}))
    assert len(workers_of(place.folder)) == 2
    os.kill(supervisor.pid, signal.SIGSTOP)
    await supervisor.stop(0)
    await until(lambda: workers_of(place.folder) == [])     # killed with the wrapper, but nobody waits for it
    assert watched.died == []


async def test_limits_of_the_process(place: Place) -> None:
    supervisor, _ = place.supervisor()
    memory = 4 << 30
    await supervisor.apply(target({}, memory_bytes=memory, descriptors=333))
    assert resource.prlimit(supervisor.pid, resource.RLIMIT_DATA) == (memory, memory)
    assert resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE) == (333, 333)
