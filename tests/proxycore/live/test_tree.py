"""The tree of what runs."""

from __future__ import annotations

import asyncio
import json
import time

from proxycore.document.load import load_document
from proxycore.instance import Instance
from proxycore.live.tree import LiveTree
from proxycore.messages.patch import difference
from tests.proxycore.live.conftest import Tunnel
from tests.support import documents
from tests.support.processes import free_port, free_range
from tests.support.sockets import turns, until


async def test_what_has_not_changed_is_the_same_object_and_no_difference(tunnel: Tunnel) -> None:
    client = await tunnel.client()
    first = tunnel.portal.look()
    second = tunnel.portal.look()
    patch = difference(first, second)
    assert set(patch) <= {"portals"}, "at most what the system says of a carrier"
    for group in ("inbounds", "outbounds", "users"):
        for key, value in first[group].items():
            assert second[group][key] is value
    await client.echo(b"more")
    third = tunnel.portal.look()
    assert third["inbounds"]["web"] is not second["inbounds"]["web"]
    assert difference(second, third)["inbounds"]["web"] == {
        "up": second["inbounds"]["web"]["up"] + 4, "down": second["inbounds"]["web"]["down"] + 4}


async def test_the_tree_is_plain_json_without_null(tunnel: Tunnel) -> None:
    await tunnel.client()
    for end in (tunnel.portal, tunnel.bridge):
        tree = end.look()
        assert json.loads(json.dumps(tree, allow_nan=False)) == tree
        assert "null" not in json.dumps(tree)


async def test_sessions_that_end_without_a_byte_from_the_target_have_failed(tunnel: Tunnel) -> None:
    client = await tunnel.client()
    before = tunnel.portal.look()["portals"]["portal"]
    assert (before["opened"], before["failed"], before["sessions"]) == (1, 0, 1)
    _, writer = await asyncio.open_connection("127.0.0.1", tunnel.port)
    await until(lambda: tunnel.portal.look()["portals"]["portal"]["sessions"] == 2)
    writer.close()
    await until(lambda: tunnel.portal.look()["portals"]["portal"]["failed"] == 1)
    client.close()
    await until(lambda: tunnel.portal.look()["portals"]["portal"]["sessions"] == 0)
    after = tunnel.portal.look()["portals"]["portal"]
    assert (after["opened"], after["failed"]) == (2, 1)


async def test_entries_without_a_tag_are_known_by_their_place_and_count_for_themselves(target_port: int) -> None:
    ports = [free_port(), free_port()]
    first = free_range(3)
    doors = [{**documents.door("", port, target_port)} for port in ports]
    for door in doors:
        del door["tag"]
    ranged = documents.door("ranged", f"{first}-{first + 2}", target_port)
    document = documents.proxy([ranged, *doors], [{"protocol": "freedom"}], level="error")
    instance = Instance(load_document(json.dumps(document), "test.json"), asyncio.get_running_loop())
    await instance.start()
    try:
        tree = LiveTree(instance, asyncio.get_running_loop().time)
        reader, writer = await asyncio.open_connection("127.0.0.1", ports[1])
        writer.write(b"hello")
        await reader.readexactly(5)
        found = tree.look()
        assert set(found["inbounds"]) == {"ranged", "#1", "#2"}
        assert found["inbounds"]["ranged"]["listen"] == [f"127.0.0.1:{first}-{first + 2}/tcp"]
        assert [found["inbounds"][key]["accepted"] for key in ("#1", "#2")] == [0, 1]
        assert (found["inbounds"]["#2"]["up"], found["inbounds"]["#2"]["down"]) == (5, 5)
        assert found["outbounds"]["#0"] == {"protocol": "freedom", "up": 5, "down": 5}
        assert found["connections"] == 1
        writer.close()
        await writer.wait_closed()
    finally:
        instance.stop()
        await turns()


async def test_a_portal_that_was_removed_is_shown_while_something_runs_on_it(tunnel: Tunnel) -> None:
    client = await tunnel.client()
    without = json.loads(json.dumps(tunnel.portal.document))
    del without["reverse"]
    without["routing"]["rules"] = [documents.rule("direct", inboundTag=["web", "interconn"])]
    tunnel.portal.apply(without)
    tree = tunnel.portal.look()
    (carrier,) = tree["portals"]["portal"]["carriers"].values()
    assert (carrier["health"], carrier["leaving"]) == ("draining", True)
    assert [found.request.inbound_tag for found in tunnel.portal.sessions.of("portal", "portal")] == ["web"]
    await client.echo(b"still")


async def test_a_portal_that_is_changed_goes_on_counting_and_its_old_carriers_are_shown_beside_the_new(tunnel: Tunnel) -> None:
    client = await tunnel.client()
    before = tunnel.portal.look()["portals"]["portal"]
    changed = json.loads(json.dumps(tunnel.portal.document))
    changed["reverse"]["portals"][0]["dialect"] = "reverse"
    tunnel.portal.apply(changed)
    await until(lambda: len(tunnel.portal.look()["portals"]["portal"]["carriers"]) == 2, 15)
    after = tunnel.portal.look()["portals"]["portal"]
    told = sorted((one["health"], one.get("leaving", False)) for one in after["carriers"].values())
    assert told == [("active", False), ("draining", True)]
    assert after["opened"] == before["opened"]
    assert set(before["carriers"]) < set(after["carriers"]), "a carrier keeps its number"
    await client.echo(b"x")


async def test_a_carrier_that_comes_back_has_another_number(tunnel: Tunnel) -> None:
    (first,) = tunnel.bridge.look()["bridges"]["bridge"]["carriers"]
    tunnel.portal.instance.portals[0].links[0].carrier.close()
    await until(lambda: first not in tunnel.bridge.look()["bridges"]["bridge"]["carriers"])
    await until(lambda: tunnel.bridge.look()["bridges"]["bridge"]["carriers"])
    (second,) = tunnel.bridge.look()["bridges"]["bridge"]["carriers"]
    assert int(second) > int(first)
    state = tunnel.bridge.look()["bridges"]["bridge"]
    assert state["last_error"]
    assert abs(state["last_seen"] - time.time()) < 30


async def test_a_look_at_thousands_costs_little(target_port: int) -> None:
    """What is bounded is processor time, and generously."""
    outbounds = [{"tag": f"out-{number}", "protocol": "blackhole"} for number in range(2000)]
    document = documents.proxy([documents.door("web", free_port(), target_port)], outbounds, level="error")
    instance = Instance(load_document(json.dumps(document), "test.json"), asyncio.get_running_loop())
    await instance.start()
    try:
        tree = LiveTree(instance, asyncio.get_running_loop().time)
        before = tree.look()
        spent = []
        for _ in range(10):
            begin = time.thread_time()
            after = tree.look()
            assert difference(before, after) == {}
            before = after
            spent.append(time.thread_time() - begin)
        assert min(spent) < 0.01
    finally:
        instance.stop()
