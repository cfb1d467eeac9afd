"""The link by itself, in this process, to a WebSocket server that says whatever a test wants."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from proxycore import tasks
from proxycore.agent import link as module
from proxycore.agent.backoff import Backoff
from proxycore.agent.link import Link
from proxycore.agent.outbox import Outbox
from proxycore.agent.panel_address import PanelAddress
from proxycore.messages.link import Ask, Close, Confirm, Hello, TrafficKept, Wanted, Welcome

WELCOME = Welcome(node=3, name="attic", at=0.0).model_dump_json()
Script = Callable[[ServerConnection], Awaitable[None]]


class Obeyed:
    """What the link passed on."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.pauses = 0
        self.fails = False

    def hello(self) -> Hello:
        return Hello(version="1", boot="b", at=0.0)

    def welcomed(self, welcome: Welcome) -> None:
        self.heard.append(welcome)

    def wanted(self, wanted: Wanted) -> None:
        self.heard.append(wanted)
        if self.fails:
            raise RuntimeError("a bug")

    def confirmed(self, confirm: Confirm) -> None:
        self.heard.append(confirm)

    def asked(self, ask: Ask) -> None:
        self.heard.append(ask)

    def kept(self, kept: TrafficKept) -> None:
        self.heard.append(kept)

    async def paused(self) -> None:
        self.pauses += 1


class Linked:
    """A link to a server; `scripts` are what the server does with one connection after the other, the last one for ever."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = scripts
        self.connected_at: list[float] = []
        self.received: list[dict[str, Any]] = []
        self.obeyed = Obeyed()
        self.state: dict[str, Any] = {"host": {"load": 1}}
        self.outbox = Outbox(lambda: self.state, list)
        self.running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Linked:
        self._server = await serve(self._talk, "127.0.0.1", 0, ping_interval=None, close_timeout=0.2, compression=None)
        port = next(iter(self._server.sockets)).getsockname()[1]
        address = PanelAddress.parse(f"http://127.0.0.1:{port}")
        self.link = Link(address, "xrevnode_x", self.outbox, self.obeyed, backoff=Backoff(0.05, 0.1))
        self.running = tasks.spawn("link", self.link.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self.running is not None
        self.running.cancel()
        await asyncio.wait((self.running,))
        self._server.close()
        await self._server.wait_closed()

    async def _talk(self, connection: ServerConnection) -> None:
        self.connected_at.append(time.monotonic())
        script = self.scripts[min(len(self.connected_at), len(self.scripts)) - 1]
        listening = asyncio.create_task(self._listen(connection))
        try:
            await script(connection)
            await listening
        except ConnectionClosed:
            pass
        finally:
            listening.cancel()

    async def _listen(self, connection: ServerConnection) -> None:
        try:
            async for text in connection:
                self.received.append(json.loads(text))
        except ConnectionClosed:
            return

    async def until(self, condition: Callable[[Linked], object], timeout_s: float = 10) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                await asyncio.sleep(0.005)


def says(*texts: str, then: int | None = None) -> Script:
    """Each text; then the connection ends with the code `then`, or stays."""
    async def script(connection: ServerConnection) -> None:
        for text in texts:
            await connection.send(text)
        if then is not None:
            await connection.close(then)
    return script


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", dict.fromkeys(module.AGAIN_S, 0.1))


@pytest.fixture
async def welcomed() -> AsyncIterator[Linked]:
    async with Linked(says(WELCOME)) as linked:
        await linked.until(lambda one: one.link.is_up)
        yield linked


async def test_hello_comes_first_and_state_only_after_the_welcome() -> None:
    async with Linked(says()) as linked:
        await linked.until(lambda one: one.received)
        await asyncio.sleep(0.2)
        assert [one["type"] for one in linked.received] == ["hello"]
    async with Linked(says(WELCOME)) as linked:
        await linked.until(lambda one: len(one.received) >= 2)
        assert [one["type"] for one in linked.received[:2]] == ["hello", "state"]
        assert linked.received[1]["is_full"]


async def test_a_panel_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.5)
    async with Linked(says(WELCOME)) as linked:
        await linked.until(lambda one: len(one.connected_at) >= 2)
        assert 0.5 <= linked.connected_at[1] - linked.connected_at[0] < 3


async def test_what_is_passed_on_and_what_a_newer_panel_may_say() -> None:
    messages = [
        Wanted(instances=[]), Confirm(instance=1, revision=2), Ask(id="1", instance=1, what="log"), TrafficKept(boot="b", seq=1)]
    said = [one.model_dump_json() for one in messages]
    texts = [WELCOME, '{"type": "dance", "how": "slowly"}', *said, '{"type": "ping", "new": 1}']
    async with Linked(says(*texts)) as linked:
        await linked.until(lambda one: len(one.obeyed.heard) == 5)
        assert linked.obeyed.heard[1:] == messages
        assert len(linked.connected_at) == 1


@pytest.mark.parametrize("text", [
    "", "{", "[]", "7", '{"type": "wanted"}', '{"type": "wanted", "instances": [{"instance": "x"}]}'])
async def test_a_message_that_is_none_ends_the_connection_and_not_the_agent(text: str) -> None:
    async with Linked(says(WELCOME, text), says(WELCOME)) as linked:
        await linked.until(lambda one: len(one.connected_at) == 2 and one.link.is_up)
        assert [type(one) for one in linked.obeyed.heard] == [Welcome, Welcome]


async def test_a_bug_of_ours_ends_the_connection_and_not_the_agent() -> None:
    async with Linked(says(WELCOME, Wanted(instances=[]).model_dump_json())) as linked:
        linked.obeyed.fails = True
        await linked.until(lambda one: len(one.connected_at) >= 2)
        assert linked.running is not None
        assert not linked.running.done()


async def test_a_state_that_cannot_be_said_ends_the_connection_and_not_the_agent(welcomed: Linked) -> None:
    welcomed.state = {"host": {"load": object()}}
    await welcomed.until(lambda one: len(one.connected_at) >= 2)


async def test_what_is_said_before_the_welcome_is_not_heard() -> None:
    async with Linked(says(Confirm(instance=1, revision=2).model_dump_json(), WELCOME)) as linked:
        await linked.until(lambda one: one.link.is_up)
        assert [type(one) for one in linked.obeyed.heard] == [Welcome]


async def test_revoked_is_the_end() -> None:
    async with Linked(says(then=Close.REVOKED)) as linked:
        assert linked.running is not None
        await asyncio.wait((linked.running,), timeout=5)
        assert linked.running.done()


async def test_paused_is_obeyed_each_time_and_asked_again() -> None:
    async with Linked(says(then=Close.PAUSED), says(then=Close.PAUSED), says(WELCOME)) as linked:
        await linked.until(lambda one: one.link.is_up)
        assert linked.obeyed.pauses == 2


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4999, *(int(code) for code in Close if code != Close.REVOKED)])
async def test_after_any_other_end_it_comes_back(code: int) -> None:
    async with Linked(says(WELCOME, then=code), says(WELCOME)) as linked:
        await linked.until(lambda one: len(one.connected_at) == 2 and one.link.is_up)


async def test_trouble_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async with Linked(says(then=1011)) as linked:
        await linked.until(lambda one: len(one.connected_at) >= 5)
    assert sum("the panel ended the connection (1011" in record.message for record in caplog.records) == 1


async def test_events_go_at_once(welcomed: Linked) -> None:
    from proxycore.messages.events import Event, Kind

    await welcomed.until(lambda one: len(one.received) >= 2)
    begun = time.process_time()             # both ends are in this process, and other programs may be busy
    welcomed.outbox.happened(Event(kind=Kind.APPLIED, at=1.0))
    while welcomed.received[-1]["type"] != "events":
        await asyncio.sleep(0)
        assert time.process_time() - begun < 0.3
