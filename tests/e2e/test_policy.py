"""Policy levels at work on real connections, with the time of the deadlines moved by hand."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.e2e.test_vless import vless_inbound, vless_outbound
from tests.support import documents
from tests.support.documents import Json
from tests.support.processes import LOCALHOST, free_port
from tests.support.running import loaded, pass_time, running
from tests.support.sockets import turns, until
from tests.support.target import Target

FREE: Json = {"tag": "direct", "protocol": "freedom"}


def with_level(document: Json, number: int, **values: Any) -> Json:
    return document | {"policy": {"levels": {str(number): values}}}


def entry(protocol: str, port: int, **settings: Any) -> Json:
    return {"tag": "in", "listen": LOCALHOST, "port": port, "protocol": protocol, "settings": settings}


async def client(port: int, data: bytes = b"") -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (LOCALHOST, port))
    if data:
        sock.send(data)
    await turns()
    return sock


def has_ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1 << 16) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


async def read(sock: socket.socket, size: int) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, size), 5)


@pytest.mark.parametrize(("inbound", "level", "beginning"), [
    (entry("socks", 0, userLevel=2), 2, b"\x05"), (entry("http", 0, userLevel=2), 2, b"GET"),
    (documents.vmess_inbound("in", 0), 0, b"piece"), (vless_inbound(0), 0, b"\0"), (vless_inbound(0), 0, b"")],
    ids=["socks", "http", "vmess", "vless", "nothing"])
async def test_who_does_not_say_who_it_is_in_time_is_closed(inbound: Json, level: int, beginning: bytes) -> None:
    port = free_port()
    document = with_level(documents.proxy([inbound | {"port": port}], [FREE]), level, handshake=3)
    async with running(document) as instance:
        with await client(port, beginning) as sock:
            await pass_time(instance, 2)
            await turns()
            assert not has_ended(sock)
            await pass_time(instance, 3)
            await until(lambda: has_ended(sock))


async def test_a_users_level_counts_once_it_is_known_and_others_keep_the_default(target: Target) -> None:
    """door -> vless as a user of level 5; and a door of level 0."""
    port, other_port, server_port = free_port(), free_port(), free_port()
    server = vless_inbound(server_port, level=5)
    doors = [documents.door("door", port, target.port), documents.door("other", other_port, target.port)]
    rules = [documents.rule("next", inboundTag=["door"])]
    document = documents.proxy([*doors, server], [FREE, vless_outbound("next", server_port)], rules)
    async with running(with_level(document, 5, connIdle=10)) as instance:
        with await client(port, b"ECHO\nabc") as sock, await client(other_port, b"ECHO\nabc") as other:
            assert await read(sock, 10) == await read(other, 10) == b"abc"
            await pass_time(instance, 9)
            await turns()
            assert not has_ended(sock)
            await pass_time(instance, 15)       # a limit holds between one and two periods
            await until(lambda: has_ended(sock))
            assert not has_ended(other)


async def test_another_document_changes_the_limits_of_what_runs(target: Target) -> None:
    port = free_port()
    document = documents.proxy([documents.door("door", port, target.port)], [FREE])
    async with running(with_level(document, 0, connIdle=4)) as instance:
        with await client(port, b"ECHO\nabc") as sock:
            assert await read(sock, 10) == b"abc"
            instance.apply(loaded(with_level(document, 0, connIdle=100)))
            await pass_time(instance, 20)
            await turns()
            assert not has_ended(sock)


@pytest.mark.parametrize(("first", "limits"), [
    ("client", {"downlinkOnly": 5, "uplinkOnly": 100}), ("target", {"downlinkOnly": 100, "uplinkOnly": 5})])
async def test_each_direction_that_is_left_has_its_own_limit(first: str, limits: dict[str, int]) -> None:
    port = free_port()
    with socket.create_server((LOCALHOST, 0)) as server:
        server.setblocking(False)
        document = documents.proxy([documents.door("door", port, server.getsockname()[1])], [FREE])
        async with running(with_level(document, 0, **limits)) as instance:
            with await client(port, b"abc") as near:
                far, _ = await asyncio.get_running_loop().sock_accept(server)
                with far:
                    assert await read(far, 10) == b"abc"
                    one, other = (near, far) if first == "client" else (far, near)
                    one.shutdown(socket.SHUT_WR)
                    await until(lambda: has_ended(other))
                    await pass_time(instance, 4)
                    other.send(b"still")
                    assert await read(one, 10) == b"still"
                    await pass_time(instance, 12)
                    await until(lambda: has_ended(one))


async def test_a_session_may_wait_for_its_reader_with_as_much_as_its_level_has(target: Target) -> None:
    port, carrier_port = free_port(), free_port()
    door = documents.door("web", port, target.port)
    door["settings"]["userLevel"] = 3
    portal = with_level(documents.portal([door], carrier_port), 3, bufferSize=4)
    bridge = with_level(documents.bridge(carrier_port), 0, bufferSize=8)
    async with running(portal) as public, running(bridge) as private:
        await until(lambda: public.portals[0].links)
        with await client(port, b"ECHO\nabc") as sock:
            assert await read(sock, 10) == b"abc"
            sizes = [
                session.buffer_bytes
                for links in (public.portals[0].links, private.bridges[0].links)
                for link in links for session in link.carrier.sessions.values() if not session.is_packet]
            assert sizes == [4096, 8192]
