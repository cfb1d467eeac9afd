"""Questions to one server over UDP or TCP, many of them under way on one flow or connection.

Against answers that somebody else makes up: random ids, a flow (so, a port) only for a few questions, the question must
be repeated in the answer, and where too many wrong ones come the question is asked over TCP instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Protocol

from proxycore.destination import Destination, IPAddress
from proxycore.dns.codec import Question, Response, encode_query, parse_response
from proxycore.dns.links import Link
from proxycore.errors import DialError, PeerError, ProxyError

QUESTIONS_PER_FLOW = 16
"""Then another flow of datagrams is used, which comes from another port."""

MAX_ASKED = 256
"""Questions under way on one flow or connection; one more takes another."""

MAX_WRONG = 8
"""Answers that fit no question; with one more, somebody is guessing."""

IDLE_S = 8.0
"""How long a flow or connection without a question is kept."""

RESEND_S = 1.2
"""Datagrams get lost: after so long a question is sent once more."""

_IDS = 1 << 16


class Exchange(Protocol):
    """Asks one server. Raises: ProxyError, there is no usable answer. Who waits no longer cancels."""

    async def ask(self, question: Question) -> Response: ...

    def close(self) -> None:
        """Nothing more is asked; what is open is closed."""


class _Asked:
    """A question under way."""

    __slots__ = ("answer", "message", "question")

    def __init__(self, question: Question, message: bytes, answer: asyncio.Future[Response]) -> None:
        self.question = question
        self.message = message
        self.answer = answer


class Line:
    """One flow or connection, with the questions that are under way on it."""

    __slots__ = ("_link", "_server", "asked", "asked_count", "error", "has_answered", "idle_timer", "is_over", "wrong_count")

    def __init__(self, open_link: Callable[[Line], Link], server: Destination) -> None:
        self.asked: dict[int, _Asked] = {}
        self.asked_count = 0
        self.wrong_count = 0
        self.has_answered = False
        self.is_over = False
        self.error: ProxyError | None = None
        self.idle_timer: asyncio.TimerHandle | None = None
        self._server = server
        self._link: Link | None = None
        link = open_link(self)
        if self.is_over:
            link.end()
        else:
            self._link = link

    def send(self, number: int, asked: _Asked) -> None:
        self.asked[number] = asked
        self.asked_count += 1
        self._stop_timer()
        if self._link is not None:
            self._link.send(asked.message)

    def send_again(self, asked: _Asked) -> None:
        if self._link is not None:
            self._link.send(asked.message)

    def end(self) -> None:
        """Close it; who still waits is told nothing."""
        self._stop_timer()
        self.is_over = True
        if self._link is not None:
            self._link.end()
            self._link = None

    def expire_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._stop_timer()
        self.idle_timer = loop.call_later(IDLE_S, self.end)

    def on_message(self, link: Link, message: bytes, source: Destination | None) -> None:
        try:
            response = parse_response(message)
        except PeerError:
            self._on_wrong()
            return
        asked = self.asked.get(response.id)
        question = response.question
        if asked is None or question is None or question[:2] != asked.question[:2] or self._is_foreign(source):
            self._on_wrong()
            return
        self.has_answered = True
        if not asked.answer.done():
            asked.answer.set_result(response)

    def on_end(self, link: Link, error: Exception | None) -> None:
        link.end()
        self._link = None
        self._stop_timer()
        self.is_over = True
        self.error = as_fault(self._server, error)
        for asked in list(self.asked.values()):
            if not asked.answer.done():
                asked.answer.set_exception(self.error)

    def on_full(self, link: Link, *, is_full: bool) -> None:
        pass            # MAX_ASKED small messages are all that can wait

    def _is_foreign(self, source: Destination | None) -> bool:
        """Whether a datagram comes from elsewhere; through another core that cannot always be told."""
        if source is None or isinstance(source.host, str) or isinstance(self._server.host, str):
            return False
        return source[1:] != self._server[1:]

    def _on_wrong(self) -> None:
        self.wrong_count += 1
        if self.wrong_count > MAX_WRONG:
            for asked in list(self.asked.values()):
                if not asked.answer.done():
                    asked.answer.set_result(Response(0, None, 0, True))     # as if cut off: TCP tells
            self.end()

    def _stop_timer(self) -> None:
        if self.idle_timer is not None:
            self.idle_timer.cancel()
            self.idle_timer = None


class LineExchange:
    """Asks over lines that `open_link` makes. With `questions_per_line` it takes another one after so many."""

    __slots__ = ("_is_datagrams", "_line", "_loop", "_open_link", "_random", "_server", "_subnet")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        random: Random,
        server: Destination,
        open_link: Callable[[Line], Link],
        subnet: IPAddress | None = None,
        *,
        is_datagrams: bool,
    ) -> None:
        self._loop = loop
        self._random = random
        self._server = server
        self._open_link = open_link
        self._subnet = subnet
        self._is_datagrams = is_datagrams
        self._line: Line | None = None

    async def ask(self, question: Question) -> Response:
        line = self._usable_line()
        was_used = line.has_answered
        try:
            return await self._ask(line, question)
        except ProxyError:
            # a kept connection may have been closed by the server, unseen, just before
            if not was_used or self._is_datagrams:
                raise
        return await self._ask(self._usable_line(), question)

    def close(self) -> None:
        if self._line is not None:
            self._line.end()

    async def _ask(self, line: Line, question: Question) -> Response:
        if line.is_over:
            raise line.error or DialError(str(self._server), "the connection was closed")
        number = self._random.randrange(_IDS)
        while number in line.asked:
            number = self._random.randrange(_IDS)
        asked = _Asked(question, encode_query(number, question, self._subnet), self._loop.create_future())
        resend = self._loop.call_later(RESEND_S, line.send_again, asked) if self._is_datagrams else None
        try:
            line.send(number, asked)
            return await asked.answer
        finally:
            if resend is not None:
                resend.cancel()
            del line.asked[number]
            if not line.asked and not line.is_over:
                if line is self._line and not self._is_worn(line):
                    line.expire_later(self._loop)
                else:
                    line.end()

    def _usable_line(self) -> Line:
        line = self._line
        if line is None or line.is_over or len(line.asked) >= MAX_ASKED or self._is_worn(line):
            line = self._line = Line(self._open_link, self._server)
        return line

    def _is_worn(self, line: Line) -> bool:
        return self._is_datagrams and line.asked_count >= QUESTIONS_PER_FLOW


def as_fault(server: Destination, error: Exception | None) -> ProxyError:
    """Why a flow or connection ended."""
    if isinstance(error, ProxyError):
        return error
    return DialError(str(server), (getattr(error, "strerror", None) or str(error)) if error else "the connection was closed")


class DatagramsThenStream:
    """UDP; what does not fit into a datagram is asked over TCP."""

    __slots__ = ("_datagrams", "_stream")

    def __init__(self, datagrams: Exchange, stream: Exchange) -> None:
        self._datagrams = datagrams
        self._stream = stream

    async def ask(self, question: Question) -> Response:
        response = await self._datagrams.ask(question)
        return await self._stream.ask(question) if response.is_truncated else response

    def close(self) -> None:
        self._datagrams.close()
        self._stream.close()
