"""WebSocket with the `websockets` package at the other end, which is strict about what it reads."""

from __future__ import annotations

import asyncio
import os
import ssl

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus

from tests.support import documents
from tests.support.certificates import authority, pair
from tests.support.documents import Json
from tests.support.processes import LOCALHOST, free_port
from tests.support.running import running
from tests.support.target import Target, pattern

NAME = "ws.example.org"
FREE: Json = {"tag": "direct", "protocol": "freedom"}


def served(port: int, target: Target, **stream: object) -> Json:
    door = documents.door("door", port, target.port)
    return documents.proxy([door | {"streamSettings": {"network": "ws", "wsSettings": {"path": "/t"}, **stream}}], [FREE])


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority().pem)
    context.set_alpn_protocols(["http/1.1"])
    return context


@pytest.mark.parametrize("is_secure", [False, True], ids=["ws", "wss"])
async def test_its_client_gets_bytes_in_messages_and_a_normal_close(is_secure: bool, target: Target) -> None:
    port = free_port()
    security = {"security": "tls", "tlsSettings": {"certificates": [pair(NAME).entry]}} if is_secure else {}
    url = f"{'wss' if is_secure else 'ws'}://{NAME}/t?anything"
    async with running(served(port, target, **security)), connect(
        url, host=LOCALHOST, port=port, ssl=trusting() if is_secure else None, compression="deflate", proxy=None,
    ) as client:
        await client.send(b"GET 300")
        await client.send("000\n")          # a message of text is as good
        received = bytearray()
        async with asyncio.timeout(5):
            async for piece in client:      # ends by itself with a normal close only
                assert isinstance(piece, bytes)
                received += piece
        assert received == pattern(300_000)
        assert client.close_code == 1000


async def test_its_messages_may_come_in_fragments_between_pings(target: Target) -> None:
    port = free_port()
    data = os.urandom(200_000)
    async with running(served(port, target)), connect(f"ws://{LOCALHOST}:{port}/t", proxy=None) as client:
        await client.send([b"ECHO\n", data[:70_000], data[70_000:]])
        await asyncio.wait_for(await client.ping(b"are you there"), 5)
        received = bytearray()
        while len(received) < len(data):
            piece = await asyncio.wait_for(client.recv(), 5)
            assert isinstance(piece, bytes)
            received += piece
        assert received == data


async def test_another_path_is_not_found(target: Target) -> None:
    port = free_port()
    async with running(served(port, target)):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://{LOCALHOST}:{port}/other", proxy=None):
                pass
        assert refused.value.response.status_code == 404


async def test_its_server_is_dialled_with_path_host_and_headers() -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    async def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        headers = connection.request.headers
        seen.append((connection.request.path, headers["Host"], headers["X-Colour"]))
        async for message in connection:
            await connection.send(message)

    port, server_port = free_port(), free_port()
    settings = {"path": "/t?a=1", "host": NAME, "headers": {"X-Colour": "blue"}, "heartbeatPeriod": 1}
    out = FREE | {"streamSettings": {"network": "ws", "wsSettings": settings}}
    data = os.urandom(300_000)
    async with serve(echo, LOCALHOST, server_port, ping_interval=None), running(
        documents.proxy([documents.door("door", port, server_port)], [out]),
    ):
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.write(data)
        assert await asyncio.wait_for(reader.readexactly(len(data)), 5) == data
        writer.close()
        await writer.wait_closed()
    assert seen == [("/t?a=1", NAME, "blue")]
