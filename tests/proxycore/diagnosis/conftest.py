"""A portal and a bridge, both ours, both in this process."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from proxycore.diagnosis.diagnosing import diagnose
from proxycore.document.load import load_document
from proxycore.instance import Instance
from proxycore.messages.questions import Step
from tests.support import documents
from tests.support.processes import free_port
from tests.support.sockets import turns

Json = dict[str, Any]
Change = Callable[[Json], None]


class Ends:
    """`portal` and `bridge` as documents, to be changed before they are run."""

    def __init__(self, target_port: int) -> None:
        self.public_port, self.carrier_port, self.target_port = free_port(), free_port(), target_port
        doors = [documents.door("web", self.public_port, target_port)]
        self.portal = documents.portal(doors, self.carrier_port)
        self.bridge = documents.bridge(self.carrier_port)
        self._running: list[Instance] = []

    async def run(self, document: Json) -> Instance:
        loaded = load_document(json.dumps(copy.deepcopy(document)), "test.json")
        instance = Instance(loaded, asyncio.get_running_loop())
        await instance.start()
        self._running.append(instance)
        return instance

    async def both(self) -> tuple[Instance, Instance]:
        return await self.run(self.portal), await self.run(self.bridge)

    async def connected(self) -> tuple[Instance, Instance]:
        portal, bridge = await self.both()
        while not any(link.is_up for one in bridge.bridges for link in one.links):
            await asyncio.sleep(0.01)
        return portal, bridge

    def stop(self) -> None:
        for instance in self._running:
            instance.stop()


class Found(dict[str, Step]):
    """Lines by name."""

    @property
    def failed(self) -> list[str]:
        return [name for name, step in self.items() if step["outcome"] == "failed"]


async def look(instance: Instance, tunnel: str, target: str = "") -> Found:
    lines = await diagnose(instance, {"tunnel": tunnel, "target": target})
    for line in lines:
        if line["outcome"] == "failed":
            assert line["cause"]
            assert line["remedy"]
    return Found((line["name"], line) for line in lines)


@pytest.fixture
async def target_port() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.fixture
async def ends(target_port: int) -> AsyncIterator[Ends]:
    made = Ends(target_port)
    yield made
    made.stop()
    await turns()                   # sockets are closed at the end of one
