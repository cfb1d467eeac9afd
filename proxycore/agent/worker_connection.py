"""The socket on which a worker is spoken to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from proxycore.errors import LimitError, LinkDown
from proxycore.messages.framing import FrameReader, encode
from proxycore.messages.worker import Ask, Done, FromWorker, Hello, Run, from_worker

_log = logging.getLogger("xrev.agent.worker")

HELLO_S: Final = 10.0
"""A worker that accepts and says nothing for so long is not well."""


class WorkerConnection(asyncio.Protocol):
    """What is not an answer is handed to `on_message`; `on_lost` is called once."""

    def __init__(self, on_message: Callable[[FromWorker], None], on_lost: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._hello: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self._asked: dict[int, asyncio.Future[Done]] = {}
        self._last_id = 0
        self.is_lost = False

    @classmethod
    async def open(
        cls, path: Path, on_message: Callable[[FromWorker], None], on_lost: Callable[[], None]
    ) -> tuple[WorkerConnection, int]:
        """Connect to the worker at `path`; also its process id as the system knows it, 0 where it does not.

        Raises: OSError, nobody listens there.
        """
        from proxycore.agent.worker_process import peer_pid

        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_unix_connection(lambda: cls(on_message, on_lost), str(path))
        return connection, peer_pid(transport.get_extra_info("socket"))

    async def hello(self) -> Hello:
        """Raises: LinkDown, it ended or is silent."""
        try:
            async with asyncio.timeout(HELLO_S):
                return await asyncio.shield(self._hello)
        except TimeoutError:
            raise LinkDown(f"the worker said nothing for {HELLO_S:g} s") from None

    async def run(self, make: Callable[[int], Run | Ask], timeout_s: float) -> Done:
        """Send what `make` makes of an id; the answer. Raises: LinkDown, none came."""
        if self.is_lost:
            raise LinkDown("the worker is gone")
        self._last_id += 1
        id_ = self._last_id
        answer: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._asked[id_] = answer
        try:
            self.send(make(id_))
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise LinkDown(f"the worker did not answer within {timeout_s:g} s") from None
        finally:
            self._asked.pop(id_, None)

    def send(self, message: BaseModel) -> None:
        """What is sent to a worker that is gone is lost."""
        if self._transport is not None and not self.is_lost:
            self._transport.write(encode(message))

    def close(self) -> None:
        """Without a word to `on_lost`."""
        self._on_lost = _nothing
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]     # uvloop's are no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except LimitError as error:
            _log.error("a worker's message cannot be read: %s", error)
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        gone = LinkDown("the worker ended")
        if not self._hello.done():
            self._hello.set_exception(gone)
            self._hello.exception()             # it may be that nobody waits any more
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(gone)
        self._on_lost()

    def _take(self, frame: bytes) -> None:
        try:
            message = from_worker.validate_json(frame)
        except ValidationError as error:
            if not _is_unknown_type(error):
                _log.error("a worker's message cannot be read: %s", error.errors(include_input=False, include_url=False)[:3])
            return
        if isinstance(message, Done):
            waiting = self._asked.get(message.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            return
        if isinstance(message, Hello) and not self._hello.done():
            self._hello.set_result(message)
        self._on_message(message)           # at once: a State may be right behind the Hello


def _is_unknown_type(error: ValidationError) -> bool:
    """Of a newer peer: it is answered by nothing."""
    found: Any = error.errors(include_input=False, include_url=False)
    return bool(found) and found[0]["type"] == "union_tag_invalid"


def _nothing() -> None:
    """Nobody is to be told."""
