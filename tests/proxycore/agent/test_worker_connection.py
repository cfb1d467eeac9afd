from __future__ import annotations

import asyncio
import os
import struct
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxycore.agent import worker_connection as module
from proxycore.agent.worker_connection import WorkerConnection
from proxycore.errors import LinkDown
from proxycore.messages.framing import MAX_FRAME_BYTES, encode
from proxycore.messages.worker import Ask, Complaint, Done, Hello, State
from tests.support.sockets import turns

HELLO = Hello(pid=7, since=1.0)


class Worker:
    """Listens, and says what a test gives it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writers: list[asyncio.StreamWriter] = []
        self.heard = bytearray()
        self.said: list[Any] = []
        self.losses = 0

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._talk, str(self.path))

    async def stop(self) -> None:
        self._server.close()
        for writer in self.writers:
            writer.close()
        await turns()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while data := await reader.read(65536):
            self.heard += data

    async def connect(self) -> WorkerConnection:
        connection, pid = await WorkerConnection.open(self.path, self.said.append, self._lost)
        assert pid == os.getpid()
        await until(lambda: self.writers)
        return connection

    def says(self, data: bytes) -> None:
        self.writers[-1].write(data)

    def _lost(self) -> None:
        self.losses += 1


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    with tempfile.TemporaryDirectory(prefix="xrev-") as folder:
        worker = Worker(Path(folder) / "1.sock")
        await worker.start()
        yield worker
        await worker.stop()


def ask(id_: int) -> Ask:
    return Ask(id=id_, what="sessions")


async def test_what_follows_the_hello_at_once_is_not_lost(worker: Worker) -> None:
    connection = await worker.connect()
    worker.says(encode(HELLO) + encode(State(patch={"sessions": 1}, is_full=True)))
    assert await connection.hello() == HELLO
    assert worker.said == [HELLO, State(patch={"sessions": 1}, is_full=True)]
    connection.close()


async def test_answers_find_who_asked_in_whatever_order_they_come(worker: Worker) -> None:
    connection = await worker.connect()
    first = asyncio.create_task(connection.run(ask, 5))
    second = asyncio.create_task(connection.run(ask, 5))
    await until(lambda: worker.heard.count(b"sessions") == 2)
    worker.says(encode(Done(id=2, answer={"n": 2})) + encode(Done(id=99)) + encode(Done(id=1, problems=[Complaint(text="no")])))
    assert (await first).problems[0].text == "no"
    assert (await second).answer == {"n": 2}
    connection.close()


async def test_one_that_does_not_answer_is_not_waited_for(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELLO_S", 0.05)
    connection = await worker.connect()
    with pytest.raises(LinkDown, match="said nothing"):
        await connection.hello()
    with pytest.raises(LinkDown, match="did not answer within"):
        await connection.run(ask, 0.05)
    worker.says(encode(Done(id=1)))             # too late: nobody waits
    connection.close()


async def test_who_waits_is_told_when_it_ends(worker: Worker) -> None:
    connection = await worker.connect()
    asking = asyncio.create_task(connection.run(ask, 5))
    await until(lambda: worker.heard)
    worker.writers[-1].close()
    with pytest.raises(LinkDown, match="the worker ended"):
        await asking
    with pytest.raises(LinkDown, match="the worker ended"):
        await connection.hello()
    with pytest.raises(LinkDown, match="gone"):
        await connection.run(ask, 5)
    connection.send(ask(9))
    assert worker.losses == 1


@pytest.mark.parametrize("frame", [b"", b"{", b"[]", b'{"type": "state"}', b'{"type": "dance"}', b"\xff\xfe"])
async def test_a_message_that_is_none_is_passed_over(worker: Worker, frame: bytes) -> None:
    connection = await worker.connect()
    worker.says(struct.pack(">I", len(frame)) + frame + encode(HELLO))
    assert await connection.hello() == HELLO
    assert worker.losses == 0
    connection.close()


async def test_a_length_that_is_none_ends_it(worker: Worker) -> None:
    connection = await worker.connect()
    worker.says(struct.pack(">I", MAX_FRAME_BYTES + 1))
    await until(lambda: worker.losses)
    assert connection.is_lost


async def test_closing_it_is_no_loss(worker: Worker) -> None:
    connection = await worker.connect()
    connection.close()
    await until(lambda: connection.is_lost)
    assert worker.losses == 0


async def test_nobody_listens(worker: Worker) -> None:
    with pytest.raises(OSError, match="No such file"):
        await WorkerConnection.open(worker.path.with_name("2.sock"), worker.said.append, lambda: None)
