"""A portal and a bridge in this process, connected, with an echoing target behind them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxycore.document.load import load_document
from proxycore.instance import Instance
from proxycore.live.sessions import Sessions
from proxycore.live.tree import LiveTree
from tests.support import documents
from tests.support.processes import LOCALHOST, free_port
from tests.support.sockets import turns, until

Json = dict[str, Any]


class End:
    """One side, with what looks at it."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.instance = Instance(load_document(json.dumps(document), "test.json"), asyncio.get_running_loop())
        self.tree = LiveTree(self.instance, asyncio.get_running_loop().time)
        self.sessions = Sessions(self.instance, self.tree.carriers)

    def apply(self, document: Json) -> None:
        self.instance.apply(load_document(json.dumps(document), "test.json"))

    def look(self) -> Any:
        return self.tree.look()


class Client:
    """A connection through the tunnel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer

    async def echo(self, data: bytes) -> None:
        self._writer.write(data)
        assert await self.reader.readexactly(len(data)) == data

    async def is_over(self) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(1), 5) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._writer.close()


class Tunnel:
    def __init__(self, target_port: int) -> None:
        self.port, self.carrier_port = free_port(), free_port()
        self.portal = End(documents.portal([documents.door("web", self.port, target_port)], self.carrier_port, level="error"))
        self.bridge = End(documents.bridge(self.carrier_port, level="error"))
        self._clients: list[Client] = []

    async def client(self, data: bytes = b"hello") -> Client:
        """One whose session exists on both sides."""
        client = Client(*await asyncio.open_connection(LOCALHOST, self.port))
        self._clients.append(client)
        await client.echo(data)
        return client

    async def start(self) -> None:
        await self.portal.instance.start()
        await self.bridge.instance.start()
        await until(lambda: any(link.is_up for one in self.bridge.instance.bridges for link in one.links))

    async def stop(self) -> None:
        for client in self._clients:
            client.close()
        for end in (self.bridge, self.portal):
            end.instance.stop()
        await turns()                       # sockets are closed at the end of one


@pytest.fixture
async def target_port() -> AsyncIterator[int]:
    open_writers: set[asyncio.StreamWriter] = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.add(writer)
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()
        open_writers.discard(writer)

    server = await asyncio.start_server(echo, LOCALHOST, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    await until(lambda: not open_writers)


@pytest.fixture
async def tunnel(target_port: int) -> AsyncIterator[Tunnel]:
    tunnel = Tunnel(target_port)
    await tunnel.start()
    yield tunnel
    await tunnel.stop()
