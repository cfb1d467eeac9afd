"""Planted faults, each named by what Diagnose says first."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from proxycore.diagnosis.diagnosing import diagnose
from proxycore.messages.events import Refusal
from tests.proxycore.diagnosis.conftest import Ends, look
from tests.support.certificates import Authority
from tests.support.processes import free_port


def outbound(document: dict[str, Any]) -> dict[str, Any]:
    """The one that leads to the portal."""
    return next(one for one in document["outbounds"] if one["tag"] == "interconn")


def server(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = outbound(document)["settings"]["vnext"][0]
    return found


async def test_all_is_well(ends: Ends) -> None:
    portal, bridge = await ends.connected()
    here, there = await look(portal, "portal"), await look(bridge, "bridge", f"127.0.0.1:{ends.target_port}")
    assert [step["outcome"] for step in (*here.values(), *there.values())] == ["ok"] * (len(here) + len(there))
    assert list(here) == ["entry", "carrier", "bridge", "control"]
    assert list(there) == ["route", "dns", "tcp", "answer", "control", "target"]
    assert str(ends.public_port) in here["entry"]["seen"]
    assert "from 127.0.0.1" in here["bridge"]["seen"]


async def test_looking_disturbs_no_carrier(ends: Ends) -> None:
    portal, bridge = await ends.connected()
    before = [link.carrier for link in portal.portals[0].links]
    for _ in range(3):
        await look(bridge, "bridge", f"127.0.0.1:{ends.target_port}")
        await look(portal, "portal")
    assert [link.carrier for link in portal.portals[0].links] == before


async def test_nothing_listens_at_the_portals_port(ends: Ends) -> None:
    server(ends.bridge)["port"] = free_port()
    found = await look(await ends.run(ends.bridge), "bridge")
    assert found.failed == ["tcp"]
    assert "nothing listens" in found["tcp"]["cause"]
    assert "target" not in found


async def test_the_portals_name_does_not_exist(ends: Ends) -> None:
    server(ends.bridge)["address"] = "portal.invalid"
    found = await look(await ends.run(ends.bridge), "bridge")
    assert found.failed == ["dns"]
    assert "portal.invalid cannot be resolved" in found["dns"]["cause"]


async def test_the_bridge_has_an_id_that_the_portal_does_not_know(ends: Ends) -> None:
    server(ends.bridge)["users"][0]["id"] = "27848739-7e62-4138-9fd3-098a63964b6b"
    portal, bridge = await ends.both()
    there = await look(bridge, "bridge")
    assert there.failed == ["answer"]
    here = await look(portal, "portal")
    assert here.failed == ["bridge"]
    assert "unknown user" in here["bridge"]["seen"]
    assert "an id that no client of this inbound has" in here["bridge"]["cause"]


async def test_the_domains_differ(ends: Ends) -> None:
    ends.bridge["reverse"]["bridges"][0]["domain"] = "other.example"
    ends.bridge["routing"]["rules"][0]["domain"] = ["full:other.example"]
    ends.portal["routing"]["rules"] = [
        {"type": "field", "inboundTag": ["interconn"], "domain": ["full:reverse-proxy.xray.internal"], "outboundTag": "portal"},
        {"type": "field", "inboundTag": ["web"], "outboundTag": "portal"}]
    portal, bridge = await ends.both()
    there = await look(bridge, "bridge")
    assert there.failed == ["answer"]
    assert '"other.example"' in there["answer"]["cause"]
    assert (await look(portal, "portal")).failed == ["bridge"]


async def test_no_rule_leads_the_bridge_to_its_portal(ends: Ends) -> None:
    del ends.bridge["routing"]["rules"][0]
    found = await look(await ends.run(ends.bridge), "bridge")
    assert found.failed == ["route"]
    assert "goes to outbound out (freedom)" in found["route"]["cause"]


async def test_what_comes_through_is_swallowed(ends: Ends) -> None:
    ends.bridge["outbounds"].append({"tag": "none", "protocol": "blackhole"})
    ends.bridge["routing"]["rules"][1]["outboundTag"] = "none"
    _, bridge = await ends.connected()
    found = await look(bridge, "bridge", f"127.0.0.1:{ends.target_port}")
    assert found.failed == ["target"]
    assert "swallows it" in found["target"]["cause"]


async def test_the_target_is_not_there(ends: Ends) -> None:
    _, bridge = await ends.connected()
    found = await look(bridge, "bridge", f"127.0.0.1:{free_port()}")
    assert found.failed == ["target"]
    assert "nothing listens" in found["target"]["cause"]


async def test_no_rule_leads_clients_to_the_tunnel(ends: Ends) -> None:
    ends.portal["routing"]["rules"][0]["inboundTag"] = ["interconn"]
    portal, _ = await ends.connected()
    found = await look(portal, "portal")
    assert found["entry"]["outcome"] == "warning"
    assert found["entry"]["seen"] == "only interconn, which bridges come by (web leads to direct)"
    ends.portal["routing"]["rules"] = []
    ends.portal["inbounds"] = [{**one, "port": free_port()} for one in ends.portal["inbounds"]]
    assert "entry" in (await look(await ends.run(ends.portal), "portal")).failed


async def test_no_rule_leads_bridges_to_the_portal(ends: Ends) -> None:
    ends.portal["routing"]["rules"][0]["inboundTag"] = ["web"]
    portal, _ = await ends.both()
    found = await look(portal, "portal")
    assert found.failed == ["carrier", "bridge"]
    assert "interconn: to direct" in found["carrier"]["seen"]


async def test_nobody_came_and_nobody_was_refused(ends: Ends) -> None:
    found = await look(await ends.run(ends.portal), "portal")
    assert found.failed == ["bridge"]
    assert "nothing arrives here" in found["bridge"]["cause"]


async def test_the_clocks_differ(ends: Ends) -> None:
    portal = await ends.run(ends.portal)
    portal.ground.news.refused(Refusal.CLOCK, "interconn", ("192.0.2.1", 1), seconds=300.0)
    found = await look(portal, "portal")
    assert found.failed == ["bridge"]
    assert "clocks of the two hosts differ" in found["bridge"]["cause"]


async def with_tls(ends: Ends, name: str, **client: object) -> Any:
    pair = Authority().issue(name)
    inbound = next(one for one in ends.portal["inbounds"] if one["tag"] == "interconn")
    inbound["streamSettings"] = {"security": "tls", "tlsSettings": {"certificates": [pair.entry]}}
    outbound(ends.bridge)["streamSettings"] = {"security": "tls", "tlsSettings": client}
    _, bridge = await ends.both()
    return await look(bridge, "bridge")


async def test_the_portals_certificate_is_signed_by_nobody_known(ends: Ends) -> None:
    found = await with_tls(ends, "portal.example", serverName="portal.example")
    assert found.failed == ["transport"]
    assert "whom this host trusts" in found["transport"]["cause"]


async def test_the_portal_has_tls_and_the_bridge_another_transport(ends: Ends) -> None:
    outbound(ends.bridge)["streamSettings"] = {"security": "tls", "tlsSettings": {"serverName": "x.example"}}
    _, bridge = await ends.both()
    found = await look(bridge, "bridge")
    assert found.failed == ["transport"]


async def test_a_firewall_that_drops_is_told_from_a_closed_port(ends: Ends) -> None:
    # A listening socket whose queue is full answers nothing, as one behind a firewall.
    full = await asyncio.get_running_loop().run_in_executor(None, _full_listener)
    try:
        server(ends.bridge)["port"] = full[0].getsockname()[1]
        found = await look(await ends.run(ends.bridge), "bridge")
        assert found.failed == ["tcp"]
        assert "packets are dropped" in found["tcp"]["cause"]
    finally:
        for sock in full:
            sock.close()


def _full_listener() -> list[Any]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        waiting.append(client)
    return [listener, *waiting]


@pytest.mark.parametrize("arguments", [
    {"tunnel": "nobody"}, {"tunnel": ""}, {}, {"tunnel": "bridge", "kind": "portal"}, {"tunnel": "bridge", "target": "x"},
    {"tunnel": "bridge", "target": "x:0"}, {"tunnel": "bridge", "target": "x:99999"}, {"tunnel": ["bridge"]},
])
async def test_a_wrong_question_is_refused(ends: Ends, arguments: dict[str, Any]) -> None:
    bridge = await ends.run(ends.bridge)
    with pytest.raises(ValueError, match=r"there is no|host:port"):
        await diagnose(bridge, arguments)
