"""Questions to one server over HTTPS: HTTP/1.1 on a few kept connections, one question on each at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from proxycore.destination import Destination, IPAddress
from proxycore.dns.codec import Question, Response, encode_query, parse_response
from proxycore.dns.exchange import as_fault
from proxycore.dns.https_codec import HttpsReader, encode_post
from proxycore.errors import DialError, PeerError
from proxycore.stream import NULL_STREAM, Buffer, Stream

MAX_CONNECTIONS = 8
"""To one server; further questions wait for one of them."""

IDLE_S = 30.0
"""How long a connection without a question is kept."""


class HttpsExchange:
    """`open_stream` gives a stream to the server with TLS on it. Ids are 0, as RFC 8484 asks for."""

    __slots__ = ("_head", "_idle", "_is_closed", "_loop", "_open_stream", "_places", "_server", "_subnet")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        server: Destination,
        host: str,
        path: str,
        open_stream: Callable[[], Stream],
        subnet: IPAddress | None = None,
    ) -> None:
        """`host` and `path` as in the URL."""
        self._loop = loop
        self._server = server
        self._head = (host, path)
        self._open_stream = open_stream
        self._subnet = subnet
        self._idle: list[_Connection] = []
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)
        self._is_closed = False

    async def ask(self, question: Question) -> Response:
        post = encode_post(*self._head, encode_query(0, question, self._subnet, pads=True))
        async with self._places:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_over:
                    continue
                try:
                    return await self._ask(connection, post, question)
                except DialError:
                    break       # the server may have closed it, unseen, just before
            return await self._ask(_Connection(self._loop, self._open_stream(), self._server), post, question)

    def close(self) -> None:
        self._is_closed = True
        for connection in self._idle:
            connection.end()

    async def _ask(self, connection: _Connection, post: bytes, question: Question) -> Response:
        try:
            response = parse_response(await connection.ask(post))
            asked = response.question
            if asked is None or asked[:2] != question[:2] or response.is_truncated:
                raise PeerError("the DNS answer is to another question")
        except BaseException:       # also where nobody waits any longer: its answer would be taken for that to the next one
            connection.end()
            raise
        if connection.may_go_on and not self._is_closed:
            connection.expire_later()
            self._idle.append(connection)
        else:
            connection.end()
        return response


class _Connection(Stream):
    """One connection, which the answer to one question is awaited on."""

    __slots__ = ("_answer", "_loop", "_reader", "_server", "_timer", "is_over")

    def __init__(self, loop: asyncio.AbstractEventLoop, stream: Stream, server: Destination) -> None:
        self.is_over = False
        self._loop = loop
        self._server = server
        self._reader = HttpsReader()
        self._answer: asyncio.Future[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.peer = stream
        stream.peer = self

    @property
    def may_go_on(self) -> bool:
        return self._reader.may_go_on and not self.is_over

    async def ask(self, post: bytes) -> bytes:
        if self._timer is not None:
            self._timer.cancel()
        self._answer = self._loop.create_future()
        self.peer.write(post)
        return await self._answer

    def expire_later(self) -> None:
        self._timer = self._loop.call_later(IDLE_S, self.end)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.is_over:
            self.is_over = True
            peer, self.peer = self.peer, NULL_STREAM
            peer.close()

    # what the stream below does

    def write(self, data: Buffer) -> None:
        if self.is_over:
            return
        if self._answer is None or self._answer.done():
            self._fail(PeerError("an HTTP answer that nobody asked for"))
            return
        try:
            message = self._reader.feed(data)
        except PeerError as error:
            self._fail(error)
            return
        if message is not None:
            self._answer.set_result(message)

    def write_eof(self) -> None:
        try:
            message = self._reader.end()
        except PeerError as error:
            self._fail(error)
            return
        if message is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(message)
        self._fail(None)

    def close(self) -> None:
        self.write_eof()

    def abort(self, error: Exception | None) -> None:
        self._fail(error)

    def pause(self) -> None:
        pass            # one small question is all that can wait

    def resume(self) -> None:
        pass

    def _fail(self, error: Exception | None) -> None:
        self.end()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(as_fault(self._server, error))
