"""A panel as an agent sees it: it lets nodes join, welcomes them, and does what a test says. No Django, nothing is kept."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from proxycore.messages.link import (
    JOIN_PATH,
    MAX_MESSAGE_BYTES,
    PATH,
    Ask,
    Confirm,
    EventsKept,
    Joined,
    Ping,
    TrafficKept,
    Wanted,
    WantedInstance,
    Welcome,
    from_agent,
)
from proxycore.messages.patch import merge
from tests.support.processes import LOCALHOST, until

PATIENCE_S = 20.0
ACCEPT_TURNS = 10
"""Of the loop, after which what was accepted just now has begun."""

PING_EVERY_S = 2.0
TOKEN = "xrevjoin_test"
IDENTITY = "xrevnode_test"

T = TypeVar("T")


def wanted(instance: int, revision: int, document: dict[str, Any] | str, **more: Any) -> WantedInstance:
    text = document if isinstance(document, str) else json.dumps(document)
    return WantedInstance(
        instance=instance, name=more.pop("name", f"i{instance}"), revision=revision,
        document_sha256=hashlib.sha256(text.encode()).hexdigest(), document=text, **more)


def _listener(port: int) -> socket.socket:
    """Its connections hold little for who does not read."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    listener.bind((LOCALHOST, port))
    return listener


class Panel:
    """In a thread with a loop of its own. What agents said is in the lists; `tree` is the NodeState put together of patches. It
    is another object after each of them: what a test has taken from it stays as it was."""

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.is_reading = True
        self.is_keeping = True          # traffic and events are answered
        self.close_code: int | None = None      # what comes instead of a welcome
        self.join_status = HTTPStatus.CREATED
        self.wanted: list[WantedInstance] = []
        self.joined: list[dict[str, Any]] = []
        self.hellos: list[Any] = []
        self.said: list[Any] = []
        self.events: list[Any] = []     # each once
        self.told_events: list[tuple[str, int]] = []        # boot and number as they came, also of those that came again
        self.traffic: list[Any] = []
        self.tree: dict[str, Any] = {}
        self.states = 0
        self.after_state: Callable[[], object] = lambda: None       # asked once `tree` has what a message said
        self.full_states = 0
        self._tls = tls
        self._connections: set[ServerConnection] = set()
        self._fronts: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._inner_port = 0
        self.answers: dict[str, Any] = {}
        self._asked = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="panel", daemon=True)
        self._ready = threading.Event()
        self._stopping = asyncio.Event()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{LOCALHOST}:{self.port}"

    def start(self) -> Panel:
        self._thread.start()
        assert self._ready.wait(10), "the panel did not start"
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)
        assert not self._thread.is_alive(), "the panel did not stop"

    # what a test says and sees

    @property
    def is_connected(self) -> bool:
        return bool(self._connections)

    def want(self, *instances: WantedInstance) -> None:
        """What the node should run, now and each time that it connects."""
        self.wanted = list(instances)
        self.send(Wanted(instances=self.wanted))

    def send(self, message: Any) -> None:
        self._do(self._send(message))

    def confirm(self, instance: int, revision: int) -> None:
        self.send(Confirm(instance=instance, revision=revision))

    def close(self, code: int = 1012) -> None:
        """End the connections, and forget the state; what `close_code` says holds for the next ones."""
        self._do(self._close(code))

    def forget(self) -> None:
        """Wait until all is read that an agent said before it was gone, and forget the state: the next one tells it anew."""
        if self._thread.is_alive():
            until("the agent's connection has ended", lambda: not self._connections, PATIENCE_S)
            self._do(self._forget())

    def ask(self, instance: int, what: str, **arguments: Any) -> Any:
        """The Answer."""
        self._asked += 1
        id_ = f"q{self._asked}"
        self.send(Ask(id=id_, instance=instance, what=what, arguments=arguments))
        return until(f"{what} is answered", lambda: self.answers.pop(id_, None), PATIENCE_S)

    def worker(self, instance: int) -> dict[str, Any]:
        """Its WorkerState, as far as it is known."""
        found: dict[str, Any] = self.tree.get("workers", {}).get(str(instance), {})
        return found

    def await_worker(
        self, instance: int, what: str, condition: Callable[[dict[str, Any]], object], timeout_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The first WorkerState for which `condition` holds."""
        def found() -> dict[str, Any] | None:
            state = self.worker(instance)
            return state if condition(state) else None
        state = until(f"instance {instance}: {what}", found, timeout_s)
        assert state is not None
        return state

    def await_phase(self, instance: int, phase: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The first WorkerState of that phase."""
        return self.await_worker(instance, phase, lambda state: state.get("phase") == phase, timeout_s)

    def await_said(self, kind: str, condition: Callable[[Any], bool] = lambda one: True, timeout_s: float = PATIENCE_S) -> Any:
        """The first message of type `kind` for which `condition` holds."""
        def found() -> Any:
            return next((one for one in list(self.said) if one.type == kind and condition(one)), None)
        return until(f"the agent says {kind}", found, timeout_s)

    def await_event(self, kind: str, timeout_s: float = PATIENCE_S) -> Any:
        return until(f"event {kind}", lambda: next((one for one in list(self.events) if one.kind == kind), None), timeout_s)

    def moved(self, instance: int, kind: str, name: str) -> tuple[int, int, int]:
        """Up, down and opened, of all that was reported; each bucket counts once."""
        buckets = {(one.boot, one.seq): one for one in self.traffic}
        found = [m for one in buckets.values() for m in one.moved if (m.instance, m.kind, m.name) == (instance, kind, name)]
        return sum(m.up for m in found), sum(m.down for m in found), sum(m.opened for m in found)

    # the server

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server: Server = await serve(
            self._talk, sock=_listener(0), process_request=self._look, max_size=MAX_MESSAGE_BYTES, compression=None,
            max_queue=1, ping_interval=None, close_timeout=1)
        self._inner_port = next(iter(server.sockets)).getsockname()[1]
        front = await asyncio.start_server(self._begin, sock=_listener(self.port), ssl=self._tls)
        self.port = front.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        front.close()
        server.close()
        await server.wait_closed()
        for _ in range(ACCEPT_TURNS):
            await asyncio.sleep(0)
        while self._fronts:
            for task, writer in self._fronts.items():
                task.cancel()
                writer.transport.abort()
            await asyncio.wait(self._fronts)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Called when the connection is there: a panel that is stopped before anything of it is read knows of it."""
        task = asyncio.create_task(self._accept(reader, writer))
        self._fronts[task] = writer
        task.add_done_callback(self._fronts.pop)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The library of the WebSocket takes no POST: joining is answered here, all else goes on to it."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST "):
                writer.write(await self._join(head, reader))
                await writer.drain()
                return
            inner_reader, inner_writer = await asyncio.open_connection(LOCALHOST, self._inner_port)
            try:
                inner_writer.write(head)
                await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
            finally:
                inner_writer.close()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _join(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        lines = head.decode().split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
        asked = json.loads(await reader.readexactly(length))
        self.joined.append(asked)
        status = self.join_status
        if lines[0].split()[1] != JOIN_PATH:
            status = HTTPStatus.NOT_FOUND
        elif asked["token"] != TOKEN:
            status = HTTPStatus.FORBIDDEN
        body = json.dumps({"detail": "the join token has expired"})
        if status == HTTPStatus.CREATED:
            body = Joined(identity=IDENTITY, node=1, name="test").model_dump_json()
        head_back = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return (head_back + body).encode()

    def _look(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, "nothing here\n")
        if request.headers.get("Authorization") != f"Bearer {IDENTITY}":
            return connection.respond(HTTPStatus.FORBIDDEN, "no\n")
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        try:
            hello = from_agent.validate_json(await connection.recv())
            assert hello.type == "hello"
            self.hellos.append(hello)
            if self.close_code is not None:
                await connection.close(self.close_code)
                return
            await connection.send(Welcome(version="test", node=1, name="test", at=time.time()).model_dump_json())
            await connection.send(Wanted(instances=self.wanted).model_dump_json())
            self._connections.add(connection)
            pinging = asyncio.create_task(self._ping(connection))
            try:
                await self._listen(connection, hello.boot)
            finally:
                pinging.cancel()
                self._connections.discard(connection)
        except ConnectionClosed:
            return

    async def _listen(self, connection: ServerConnection, boot: str) -> None:
        while True:
            while not self.is_reading:
                await asyncio.sleep(0.02)
            message = from_agent.validate_json(await connection.recv())
            match message.type:
                case "state":
                    tree = {} if message.is_full else copy.deepcopy(self.tree)
                    merge(tree, message.patch)
                    self.tree = tree
                    self.states += 1
                    self.full_states += message.is_full
                    self.after_state()
                case "events":
                    if (boot, message.seq) not in self.told_events:
                        self.events += message.events
                    self.told_events.append((boot, message.seq))
                    if self.is_keeping:
                        await connection.send(EventsKept(seq=message.seq).model_dump_json())
                case "traffic":
                    self.traffic.append(message)
                    if self.is_keeping:
                        await connection.send(TrafficKept(boot=message.boot, seq=message.seq).model_dump_json())
                case "answer":
                    self.answers[message.id] = message
                case _:
                    self.said.append(message)

    async def _ping(self, connection: ServerConnection) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await connection.send(Ping(at=time.time()).model_dump_json())

    async def _send(self, message: Any) -> None:
        for connection in tuple(self._connections):
            await connection.send(message.model_dump_json())

    async def _close(self, code: int) -> None:
        for connection in tuple(self._connections):
            await connection.close(code)
        await self._forget()

    async def _forget(self) -> None:
        self.tree = {}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()
