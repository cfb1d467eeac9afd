"""A request of VMess that was taken is not taken again, whatever has become of the inbound meanwhile."""

from __future__ import annotations

import asyncio

from tests.support import documents
from tests.support.documents import Json
from tests.support.processes import LOCALHOST, free_port
from tests.support.running import loaded, running
from tests.support.sockets import turns, until
from tests.support.target import Target

FREE: Json = {"tag": "direct", "protocol": "freedom"}


class Recorder:
    """Stands between client and server, and keeps what the client sends."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heard = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, onward = await asyncio.open_connection(LOCALHOST, self.port)
        self.heard += await reader.read(1 << 16)
        onward.write(self.heard)
        await reader.read()
        onward.close()
        writer.close()


async def test_neither_another_document_nor_another_inbound_forgets_what_was_taken(target: Target) -> None:
    door_port, server_port, recorder_port = free_port(), free_port(), free_port()
    inbound = documents.vmess_inbound("in", server_port)
    serving = documents.proxy([inbound], [FREE])
    recorder = Recorder(server_port)
    between = await asyncio.start_server(recorder.serve, LOCALHOST, recorder_port)
    client = documents.proxy(
        [documents.door("door", door_port, target.port)], [documents.vmess_outbound("next", recorder_port)])
    async with running(serving) as server, running(client):
        before = target.connections
        _, writer = await asyncio.open_connection(LOCALHOST, door_port)
        writer.write(b"ECHO\n")
        await until(lambda: target.connections == before + 1)
        for after in (
            documents.proxy([inbound | {"tag": "renamed"}], [FREE]),
            documents.proxy([], [FREE]),
            documents.proxy([inbound], [FREE]),
        ):
            server.apply(loaded(after))
            if not after["inbounds"]:
                continue
            _, replay = await asyncio.open_connection(LOCALHOST, server_port)
            replay.write(recorder.heard)
            await turns(20)
            assert target.connections == before + 1
            replay.close()
            await replay.wait_closed()
        writer.close()
        await writer.wait_closed()
    between.close()
    await between.wait_closed()
