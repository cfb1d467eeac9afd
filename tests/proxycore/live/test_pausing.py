"""Tunnels that take no new clients for now."""

from __future__ import annotations

import asyncio

import pytest

from proxycore.messages.events import Event
from proxycore.reverse.paused import Pause, Paused
from tests.proxycore.live.conftest import Tunnel
from tests.support.processes import LOCALHOST

PORTAL, BRIDGE = Pause("portal", "portal"), Pause("bridge", "bridge")


async def refused(tunnel: Tunnel) -> bool:
    """Whether a new client is hung up on."""
    reader, writer = await asyncio.open_connection(LOCALHOST, tunnel.port)
    try:
        writer.write(b"hello")
        return await asyncio.wait_for(reader.read(5), 5) == b""
    except ConnectionResetError:
        return True
    finally:
        writer.close()


@pytest.mark.parametrize("side", ["portal", "bridge"])
async def test_new_clients_are_refused_and_nothing_else_changes(tunnel: Tunnel, side: str) -> None:
    end, pause = (tunnel.portal, PORTAL) if side == "portal" else (tunnel.bridge, BRIDGE)
    ground, events = end.instance.ground, list[Event]()
    ground.news.listener = events.append
    before = await tunnel.client()
    carriers = set(end.look()[f"{side}s"][side]["carriers"])
    assert "paused" not in end.look()[f"{side}s"][side]

    assert ground.paused.use([pause]) == ([pause], [])
    assert await refused(tunnel)
    await before.echo(b"still there")
    state = end.look()
    assert state[f"{side}s"][side]["paused"] is True
    assert set(state[f"{side}s"][side]["carriers"]) == carriers
    assert state["refusals"] == {"paused": 1}
    assert events == []

    assert ground.paused.use([]) == ([], [pause])
    await (await tunnel.client()).echo(b"as before")


async def test_a_portal_of_another_document_is_paused_too(tunnel: Tunnel) -> None:
    tunnel.portal.instance.ground.paused.use([PORTAL])
    document = tunnel.portal.document
    tunnel.portal.apply({**document, "reverse": {"portals": [
        {**document["reverse"]["portals"][0], "dialect": "reverse"}]}})
    assert await refused(tunnel)


async def test_all_sessions_of_a_tunnel_are_closed(tunnel: Tunnel) -> None:
    clients = [await tunnel.client() for _ in range(3)]
    assert tunnel.portal.sessions.close_all("another") == 0
    assert tunnel.portal.sessions.close_all("portal", "bridge") == 0
    assert tunnel.portal.sessions.close_all("portal") == 3
    assert all([await client.is_over() for client in clients])


def test_what_is_different_is_told() -> None:
    paused = Paused()
    assert paused.use([PORTAL, PORTAL]) == ([PORTAL], [])
    assert paused.use([PORTAL, BRIDGE]) == ([BRIDGE], [])
    assert paused.use([BRIDGE]) == ([], [PORTAL])
    assert (paused.portals, paused.bridges) == (frozenset(), frozenset({"bridge"}))
