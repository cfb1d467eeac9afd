"""Bytes of real connections, counted under the cores' names: within one instance that is both client and server."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from proxycore.instance import Instance
from tests.e2e.test_vless import vless_inbound, vless_outbound
from tests.support import documents
from tests.support.certificates import authority, pair
from tests.support.documents import Json
from tests.support.processes import LOCALHOST, free_port
from tests.support.running import loaded, running
from tests.support.sockets import until
from tests.support.target import Target

ALICE = "alice@example.org"
FREE: Json = {"tag": "direct", "protocol": "freedom"}
UP, DOWN = b"GET 5000\n", 5000
NAME = "counted.example.org"


def traffic(instance: Instance, kind: str, name: str) -> tuple[int, int]:
    """Uplink and downlink."""
    counters = instance.stats(everything=True)
    return counters[f"{kind}>>>{name}>>>traffic>>>uplink"], counters[f"{kind}>>>{name}>>>traffic>>>downlink"]


async def fetch(port: int, before: bytes = b"", skip: int = 0) -> None:
    """A download through `port`; `skip` bytes answer to `before`."""
    reader, writer = await asyncio.open_connection(LOCALHOST, port)
    if before:
        writer.write(before)
        await reader.readexactly(skip)
    writer.write(UP)
    data = await asyncio.wait_for(reader.read(-1), 10)
    assert len(data) == DOWN
    writer.close()
    await writer.wait_closed()


def one_host(target: Target, inbound: Json, outbound: Json, port: int) -> Json:
    """door -> outbound -> inbound -> freedom, in one document."""
    door = documents.door("door", port, target.port)
    rules = [documents.rule("next", inboundTag=["door"]), documents.rule("direct", inboundTag=["interconn"])]
    return documents.proxy([door, inbound | {"tag": "interconn"}], [FREE, outbound | {"tag": "next"}], rules)


TLS: tuple[Json, Json] = (
    {"security": "tls", "tlsSettings": {"certificates": [pair(NAME).entry]}},
    {"security": "tls", "tlsSettings": {"serverName": NAME, "disableSystemRoot": True, "certificates": [authority().entry]}})
PLAIN: tuple[Json, Json] = ({}, {})


@pytest.mark.parametrize("mux", [0, 8], ids=["alone", "mux"])
@pytest.mark.parametrize("stream", [PLAIN, TLS], ids=["plain", "tls"])
@pytest.mark.parametrize("protocol", ["vmess", "vless"])
async def test_a_user_is_charged_its_payload_and_the_tags_what_is_on_the_wire(
    protocol: str, stream: tuple[Json, Json], mux: int, target: Target
) -> None:
    port, carrier_port = free_port(), free_port()
    inbound = documents.vmess_inbound("", carrier_port) if protocol == "vmess" else vless_inbound(carrier_port)
    outbound = (documents.vmess_outbound("", carrier_port, mux=mux) if protocol == "vmess"
                else vless_outbound("", carrier_port, mux))
    document = one_host(target, inbound | {"streamSettings": stream[0]}, outbound | {"streamSettings": stream[1]}, port)
    async with running(document) as instance:
        await fetch(port)
        await until(lambda: traffic(instance, "user", ALICE) == (len(UP), DOWN))
        assert traffic(instance, "inbound", "door") == (len(UP), DOWN)
        assert traffic(instance, "outbound", "direct") == (len(UP), DOWN)
        carried = traffic(instance, "inbound", "interconn")
        assert carried[1] == traffic(instance, "outbound", "next")[1] > DOWN
        assert len(UP) < carried[0] <= traffic(instance, "outbound", "next")[0]     # an end may come too late to be read
        await fetch(port)
        await until(lambda: traffic(instance, "user", ALICE) == (2 * len(UP), 2 * DOWN))
        if not mux:
            await until(lambda: instance.stats(everything=True)[f"user>>>{ALICE}>>>online"] == 0)


async def test_a_user_of_socks_is_charged_also_for_datagrams(target: Target) -> None:
    port = free_port()
    settings: dict[str, Any] = {"auth": "password", "accounts": [{"user": "alice", "pass": "secret"}], "udp": True}
    inbound = {"tag": "in", "listen": LOCALHOST, "port": port, "protocol": "socks", "settings": settings}
    async with running(documents.proxy([inbound], [FREE])) as instance:
        login = b"\x05\x01\x02" + b"\x01\x05alice\x06secret"
        connect = b"\x05\x01\x00\x01" + socket.inet_aton(LOCALHOST) + target.port.to_bytes(2, "big")
        await fetch(port, login + connect, 2 + 2 + 10)
        await until(lambda: traffic(instance, "user", "alice") == (len(UP), DOWN))

        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.write(login + b"\x05\x03\x00\x01" + bytes(6))
        answer = await reader.readexactly(2 + 2 + 10)
        relay = LOCALHOST, int.from_bytes(answer[-2:], "big")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            head = b"\0\0\0\x01" + socket.inet_aton(LOCALHOST) + target.udp_port.to_bytes(2, "big")
            sock.sendto(head + b"datagram", relay)
            assert len(await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 100), 5)) == len(head) + 8
        await until(lambda: traffic(instance, "user", "alice") == (len(UP) + 8, DOWN + 8))
        writer.close()
        await writer.wait_closed()


async def test_a_tunnel_is_counted_at_both_of_its_ends(target: Target) -> None:
    port, carrier_port = free_port(), free_port()
    portal = documents.portal([documents.door("web", port, target.port)], carrier_port)
    async with running(portal) as public, running(documents.bridge(carrier_port)) as private:
        await until(lambda: public.portals[0].links)
        await fetch(port)
        await until(lambda: traffic(public, "outbound", "portal") == (len(UP), DOWN))
        assert traffic(public, "inbound", "web") == (len(UP), DOWN)
        await until(lambda: traffic(private, "inbound", "bridge") == (len(UP), DOWN))
        assert traffic(private, "outbound", "out") == (len(UP), DOWN)
        assert traffic(public, "inbound", "interconn")[0] > DOWN            # the bridge is the client of the carrier
        await until(lambda: traffic(private, "outbound", "interconn") == traffic(public, "inbound", "interconn"))


async def test_counters_outlive_the_document_and_flags_say_what_is_shown(target: Target) -> None:
    port = free_port()
    document = documents.proxy([documents.door("door", port, target.port)], [FREE])
    async with running(document) as instance:
        await fetch(port)
        assert instance.stats() == {}
        instance.apply(loaded(document | {"stats": {}, "policy": {"system": {"statsInboundUplink": True}}}))
        assert instance.stats() == {"inbound>>>door>>>traffic>>>uplink": len(UP)}
