"""Documents as panels of the Go cores write them: what manages those cores is closed, everything else runs."""

from __future__ import annotations

import asyncio
import contextlib

from tests.support import documents
from tests.support.processes import LOCALHOST, free_port
from tests.support.running import running
from tests.support.target import Target


async def test_what_goes_to_the_api_is_closed_and_the_rest_is_served(target: Target) -> None:
    api_port, port = free_port(), free_port()
    doors = [documents.door("api", api_port, 1), documents.door("in", port, target.port)]
    document = documents.proxy(
        doors, [{"tag": "direct", "protocol": "freedom"}], [documents.rule("api", inboundTag=["api"])])
    document |= {"api": {"tag": "api", "services": ["HandlerService", "StatsService"]}, "stats": {},
                 "metrics": {"tag": "metrics_out"}, "version": {"min": "25.1.1"}}
    async with running(document):
        reader, writer = await asyncio.open_connection(LOCALHOST, api_port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.write(b"ECHO\nabc")
        assert await asyncio.wait_for(reader.readexactly(3), 5) == b"abc"
        writer.close()
        await writer.wait_closed()
