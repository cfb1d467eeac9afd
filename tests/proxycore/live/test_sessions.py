"""Sessions of a tunnel, listed and ended."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

from proxycore.destination import Destination
from proxycore.live.sessions import phase, target_text
from tests.proxycore.live.conftest import End, Tunnel
from tests.support.sockets import until


def listed(end: End, tag: str, kind: Any) -> list[Any]:
    return list(end.sessions.states(end.sessions.of(tag, kind)))


async def test_both_sides_tell_of_the_same_session(tunnel: Tunnel) -> None:
    await tunnel.client(b"hello")
    (portal,), (bridge,) = listed(tunnel.portal, "portal", "portal"), listed(tunnel.bridge, "bridge", "bridge")
    assert portal["inbound"] == "web"
    assert bridge["inbound"] == "bridge"
    for state in (portal, bridge):
        assert (state["up"], state["down"], state["phase"]) == (5, 5, "active")
    assert portal["target"] == bridge["target"]
    assert portal["source"] == bridge["source"], "a bridge of ours is told who the client is"


async def test_an_id_ends_its_session_and_no_later_one(tunnel: Tunnel) -> None:
    first, second = await tunnel.client(), await tunnel.client()
    states = listed(tunnel.portal, "portal", "portal")
    assert len({state["id"] for state in states}) == 2
    assert tunnel.portal.sessions.close([states[0]["id"]]) == 1
    assert await first.is_over()
    assert tunnel.portal.sessions.close([states[0]["id"]]) == 0
    carrier, session_id, serial = states[1]["id"].split("/")
    wrong = [f"{carrier}/{session_id}/{int(serial) + 1}", f"99/{session_id}/{serial}", f"{carrier}/99/{serial}"]
    assert tunnel.portal.sessions.close([*wrong, "", "/", "1/-1/0", "a/b/c"]) == 0
    await second.echo(b"still there")


async def test_a_source_loses_its_sessions_of_one_tunnel_or_of_all(tunnel: Tunnel) -> None:
    clients = [await tunnel.client() for _ in range(3)]
    assert tunnel.portal.sessions.close_of("192.0.2.7") == 0
    assert tunnel.portal.sessions.close_of("127.0.0.1", "another") == 0
    assert tunnel.portal.sessions.close_of("127.0.0.1", "portal") == 3
    assert [await client.is_over() for client in clients] == [True] * 3
    await tunnel.client()
    assert tunnel.portal.sessions.close_of("127.0.0.1") == 1
    await until(lambda: not listed(tunnel.bridge, "bridge", "bridge"))


async def test_a_session_whose_client_does_not_read_waits_for_it(tunnel: Tunnel) -> None:
    client = await tunnel.client()
    (found,) = tunnel.portal.sessions.of("portal", "portal")
    found.session.pause()
    await asyncio.sleep(0)
    client._writer.write(b"x" * 1000)
    await until(lambda: phase(found.session) == "waiting_for_client")
    found.session.resume()
    assert await client.reader.readexactly(1000) == b"x" * 1000
    assert phase(found.session) == "active"


def test_targets_are_written_with_their_network() -> None:
    assert target_text(Destination("tcp", "example.org", 80)) == "example.org:80/tcp"
    assert target_text(Destination("udp", ip_address("2001:db8::1"), 53)) == "[2001:db8::1]:53/udp"
