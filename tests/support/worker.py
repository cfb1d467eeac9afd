"""A worker process as its agent has it, without an agent: messages are sent and received in the test."""

from __future__ import annotations

import json
import select
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from proxycore.messages.events import Event
from proxycore.messages.framing import FrameReader, encode
from proxycore.messages.patch import merge
from proxycore.messages.worker import Ask, Done, FromWorker, Happened, Hello, Limit, Logged, Run, SetLimits, State, from_worker
from tests.support.processes import Process, Processes, until

WORKER = (sys.executable, "-m", "proxycore", "worker", "--socket")
PATIENCE_S = 20.0
Json = dict[str, Any]
T = TypeVar("T")


class Agent:
    """One connection to a worker."""

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(PATIENCE_S)
        try:
            self._sock.connect(str(path))
        except OSError:
            self._sock.close()
            raise
        self._reader = FrameReader()
        self._last_id = 0
        self.state: Json = {}
        self.states: list[State] = []
        self.events: list[Event] = []
        self.lines: list[tuple[float, str, str]] = []
        self.done: dict[int, Done] = {}
        self.hellos: list[Hello] = []
        self.is_closed = False

    @property
    def hello(self) -> Hello:
        self.await_("it says hello", lambda: self.hellos)
        return self.hellos[0]

    def close(self) -> None:
        self._sock.close()

    def leave(self) -> None:
        """Close it, and wait until the worker has noticed: what it says from then on is for the next agent."""
        self._sock.shutdown(socket.SHUT_WR)
        while self._sock.recv(65536):
            pass
        self._sock.close()

    def send(self, message: BaseModel) -> None:
        self._sock.sendall(encode(message))

    def send_raw(self, data: bytes) -> None:
        self._sock.sendall(data)

    def run(self, document: Json | str, limits: list[Limit] | None = None, name: str = "test #1") -> Done:
        text = document if isinstance(document, str) else json.dumps(document, indent=2)
        return self._answered(lambda id_: Run(id=id_, name=name, document=text, limits=limits or []))

    def ask(self, what: str, **arguments: object) -> Done:
        return self._answered(lambda id_: Ask(id=id_, what=what, arguments=arguments))

    def limit(self, *limits: Limit) -> None:
        self.send(SetLimits(limits=list(limits)))

    def listen(self, timeout_s: float) -> None:
        """Take what has come, or comes within this time."""
        if self.is_closed or not select.select([self._sock], [], [], timeout_s)[0]:
            return
        try:
            data = self._sock.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        self.is_closed = not data
        for frame in self._reader.feed(data):
            self._take(from_worker.validate_json(frame))

    def await_(self, what: str, condition: Callable[[], T], timeout_s: float = PATIENCE_S) -> T:
        """Listen until `condition` is true; what it is."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = condition()
            if answer:
                return answer
            assert time.monotonic() < deadline, f"within {timeout_s:g} s: {what}; state {self.state}, events {self.events}"
            assert not self.is_closed, f"the worker closed the connection before: {what}"
            self.listen(0.05)

    def await_event(self, kind: str, timeout_s: float = PATIENCE_S, **values: object) -> Event:
        """The first event of this kind with these values."""

        def find() -> Event | None:
            for event in self.events:
                if event.kind == kind and all(getattr(event, name) == value for name, value in values.items()):
                    return event
            return None

        found = self.await_(f"an event {kind} {values}", find, timeout_s)
        assert found is not None
        return found

    def _answered(self, make: Callable[[int], BaseModel]) -> Done:
        self._last_id += 1
        id_ = self._last_id
        self.send(make(id_))
        return self.await_(f"the answer to {id_}", lambda: self.done.get(id_))  # type: ignore[return-value]

    def _take(self, message: FromWorker) -> None:
        match message:
            case Hello():
                self.hellos.append(message)
            case State():
                if message.is_full:
                    self.state = {}
                merge(self.state, message.patch)
                self.states.append(message)
            case Happened():
                self.events.append(message.event)
            case Logged():
                self.lines += message.lines
            case Done():
                self.done[message.id] = message


class Workers:
    """Starts workers, each with its socket, and closes what was opened."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        # Not the test's own folder: a socket's path has to be short.
        self._folder = tempfile.TemporaryDirectory(prefix="xrev-")
        self._agents: list[Agent] = []

    def path(self, name: str) -> Path:
        return Path(self._folder.name) / f"{name}.sock"

    def start(self, name: str, *arguments: str) -> Process:
        return self.processes.start(name, [*WORKER, str(self.path(name)), *arguments])

    def connect(self, name: str) -> Agent:
        path = self.path(name)

        def try_to() -> Agent | None:
            try:
                return Agent(path)
            except (FileNotFoundError, ConnectionRefusedError):
                return None

        agent = until(f"{name} listens on its socket", try_to, PATIENCE_S)
        assert agent is not None
        self._agents.append(agent)
        return agent

    def run(self, name: str, document: Json, limits: list[Limit] | None = None) -> Agent:
        """A worker that runs `document`."""
        self.start(name)
        agent = self.connect(name)
        done = agent.run(document, limits, f"{name} #1")
        assert done.problems == []
        return agent

    def close(self) -> None:
        for agent in self._agents:
            agent.close()
        self._folder.cleanup()
