"""Requests take turns: Django works on each in a thread of its own, and a thousand at once would keep everybody waiting.

A turn ends when the answer begins, so that streams take none for long.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from xrevsite.serving.parts import LIVE_PATH

AT_ONCE: Final = 80            # each may have a connection to PostgreSQL, which takes 100 by default
MAX_WAITING: Final = 1000

_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_NOT_STORED: Final = (b"cache-control", b"no-store")


class Turns:
    """The ASGI application around `application`. It answers the supervisor's question itself: who waits for a turn is alive."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif scope["path"] == LIVE_PATH:
            await _answer(send, 200, b"ok\n")
        elif self._waiting >= MAX_WAITING:
            await _answer(send, 503, b"Too many requests at once; try again in a moment.\n")
        else:
            await self._in_turn(scope, receive, send)

    async def _in_turn(self, scope: Any, receive: Any, send: Any) -> None:
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        has_turn = True

        def end_turn() -> None:
            nonlocal has_turn
            if has_turn:
                has_turn = False
                self._turns.release()

        async def answer(message: Any) -> None:
            end_turn()
            await send(message)

        try:
            await self._application(scope, receive, answer)
        finally:
            end_turn()


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [_TEXT, _NOT_STORED, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
