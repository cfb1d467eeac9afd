"""Requests take turns, and what that may not hold up: the supervisor's question, streams, sockets."""

from __future__ import annotations

import asyncio
from typing import Any

from xrevsite.serving.parts import LIVE_PATH
from xrevsite.serving.turns import AT_ONCE, MAX_WAITING, Turns


class Site:
    """An application that begins its answers when it is told to, and ends them when it is told to."""

    def __init__(self) -> None:
        self.running = 0
        self.begin = asyncio.Event()
        self.end = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.running += 1
        try:
            await self.begin.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await self.end.wait()
        finally:
            self.running -= 1


async def ask(turns: Turns, path: str = "/", kind: str = "http") -> list[int]:
    """The answers' states."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await turns({"type": kind, "path": path}, None, send)
    return [message["status"] for message in sent if message["type"] == "http.response.start"]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_so_many_are_worked_on_and_the_others_wait() -> None:
    site = Site()
    turns = Turns(site)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(ask(turns)) for _ in range(AT_ONCE + 3)]
        await settle()
        assert site.running == AT_ONCE
        site.begin.set()
        site.end.set()
    assert [await one for one in asked] == [[200]] * len(asked)


async def test_an_answer_that_has_begun_keeps_nobody_waiting() -> None:
    site = Site()
    turns = Turns(site)
    site.begin.set()
    async with asyncio.TaskGroup() as group:
        for _ in range(3 * AT_ONCE):
            group.create_task(ask(turns))
        await settle()
        assert site.running == 3 * AT_ONCE
        site.end.set()


async def test_who_gives_up_while_waiting_takes_no_turn() -> None:
    site = Site()
    turns = Turns(site)
    async with asyncio.TaskGroup() as group:
        first = [group.create_task(ask(turns)) for _ in range(AT_ONCE)]
        waiting = [group.create_task(ask(turns)) for _ in range(AT_ONCE)]
        await settle()
        for one in (*waiting, *first):
            one.cancel()
        await settle()
        assert site.running == 0
        for _ in range(AT_ONCE):
            group.create_task(ask(turns))
        await settle()
        assert site.running == AT_ONCE
        site.begin.set()
        site.end.set()


async def test_there_is_an_end_to_waiting_and_one_is_alive_all_the_same() -> None:
    site = Site()
    turns = Turns(site)
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE + MAX_WAITING):
            group.create_task(ask(turns))
        await settle()
        assert await ask(turns) == [503]
        assert await ask(turns, LIVE_PATH) == [200]
        socket = group.create_task(ask(turns, kind="websocket"))
        await settle()
        assert site.running == AT_ONCE + 1
        site.begin.set()
        site.end.set()
    assert socket.done()
