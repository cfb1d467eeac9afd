"""Ends travel: the server's reaches the client at once, the client's reaches the server and leaves the answer its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from proxycore.transport.websocket import END_LINGER_S
from tests.e2e.test_transports import EARLY, HEADER, TLS_CLIENT, TLS_SERVER, UPGRADE, WS, WS_SERVER
from tests.e2e.test_vless import vless_inbound, vless_outbound
from tests.support import documents
from tests.support.documents import Json
from tests.support.processes import LOCALHOST, free_port
from tests.support.running import pass_time, running
from tests.support.sockets import turns, until
from tests.support.target import Target, digest, pattern

FREE: Json = {"tag": "direct", "protocol": "freedom"}
SOON_S = 2.0
TRANSPORTS: dict[str, tuple[Json, Json]] = {
    "raw": ({}, {}), "tls": (TLS_SERVER, TLS_CLIENT), "ws": (WS_SERVER, WS), "ws tls": (WS_SERVER | TLS_SERVER, WS | TLS_CLIENT),
    "ws early": (EARLY, EARLY), "httpupgrade": (UPGRADE, UPGRADE),
    "httpupgrade tls": (UPGRADE | TLS_SERVER, UPGRADE | TLS_CLIENT), "raw header": (HEADER, HEADER),
}


def plain(protocol: str, port: int) -> tuple[Json, Json]:
    server = {"address": LOCALHOST, "port": port}
    return ({"tag": "in", "listen": LOCALHOST, "port": port, "protocol": protocol, "settings": {}},
            {"tag": "next", "protocol": protocol, "settings": {"servers": [server]}})


def pairs(protocol: str, port: int) -> tuple[Json, Json]:
    """An inbound and an outbound that leads to it."""
    if protocol.startswith("vmess"):
        return documents.vmess_inbound("in", port), documents.vmess_outbound("next", port, mux=8 if "mux" in protocol else 0)
    if protocol.startswith("vless"):
        return vless_inbound(port) | {"tag": "in"}, vless_outbound("next", port, 8 if "mux" in protocol else 0)
    return plain(protocol, port)


def document(protocol: str, stream: tuple[Json, Json], port: int, target: Target) -> Json:
    server_port = free_port()
    inbound, outbound = pairs(protocol, server_port)
    return documents.proxy(
        [documents.door("door", port, target.port), inbound | {"streamSettings": stream[0]}],
        [FREE, outbound | {"streamSettings": stream[1]}], [documents.rule("next", inboundTag=["door"])])


PROTOCOLS = ["vmess", "vmess mux", "vless", "vless mux", "socks", "http"]
HALF_CLOSING = [name for name in PROTOCOLS if "mux" not in name]
"""An End of Mux.cool is the end of both directions: an answer that only comes after the client's end is lost."""


@asynccontextmanager
async def client(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(LOCALHOST, port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_servers_end_reaches_the_client_at_once(protocol: str, transport: str, target: Target) -> None:
    port = free_port()
    async with running(document(protocol, TRANSPORTS[transport], port, target)), client(port) as (reader, writer):
        writer.write(b"GET 100000\n")
        async with asyncio.timeout(SOON_S):
            assert await reader.read(-1) == pattern(100_000)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("protocol", HALF_CLOSING)
async def test_the_clients_end_reaches_the_server_whose_answer_arrives(protocol: str, transport: str, target: Target) -> None:
    port = free_port()
    data = pattern(100_000)
    async with running(document(protocol, TRANSPORTS[transport], port, target)) as instance, client(port) as (reader, writer):
        taken = target.taken_bytes
        writer.write(b"DIGEST\n" + data)
        writer.write_eof()
        await until(lambda: target.taken_bytes >= taken + len(data))
        await turns()
        if "ws" in transport:
            await pass_time(instance, 2 * END_LINGER_S + 2)     # after which WebSocket tells the client's end
        async with asyncio.timeout(SOON_S):
            assert await reader.read(-1) == f"100000 {digest(data).decode()}".encode()
