"""Questions from services to nodes, and the same by REST; state as server-sent events."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient

from dashboard import metrics
from dashboard.live import replies, rights, sse
from dashboard.live.hub import hub
from dashboard.live.tree import MAX_GAUGED_TUNNELS
from dashboard.models import AuditEntry, Instance, Node
from dashboard.services import asking
from dashboard.services.asking import NotConnected, NotDone, ask, what_stops
from dashboard.services.errors import ServiceError
from dashboard.services.tokens import create_token, revoke_token
from tests.dashboard.live.conftest import Agent, World, db, eventually, eventually_in_db

pytestmark = pytest.mark.django_db(transaction=True)


async def _answering(agent: Agent, answer: dict[str, Any], problems: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    asked = await agent.await_("ask")
    await agent.say({"type": "answer", "id": asked["id"], "answer": answer, "problems": problems or []})
    return asked


async def _node(world: World) -> tuple[Instance, Agent]:
    node, identity = await db(world.node)
    instance = await db(world.instance, node)
    agent = world.agent(identity)
    await agent.join()
    return instance, agent


async def test_a_question_is_answered_and_an_order_is_written_down(world: World) -> None:
    instance, agent = await _node(world)
    said, asked = await asyncio.gather(
        db(ask, instance, "sessions", {"tunnel": "home"}, by=None), _answering(agent, {"sessions": [], "total": 0}))
    assert said == {"sessions": [], "total": 0}
    assert (asked["what"], asked["arguments"], asked["instance"]) == ("sessions", {"tunnel": "home"}, instance.pk)
    assert not await db(AuditEntry.objects.filter(verb="closed").exists)
    await asyncio.gather(
        db(ask, instance, "close", {"tunnel": "home", "source": "192.0.2.9"}, by=None), _answering(agent, {"closed": 3}))
    entry = await db(AuditEntry.objects.get, verb="closed")
    assert entry.note == "of 192.0.2.9, tunnel home, 3 closed"
    assert entry.instance_id == instance.pk


async def test_questions_that_wait_leave_room_for_other_requests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, agent = await _node(world)
    turns = threading.Semaphore(1)
    monkeypatch.setattr(asking, "_asking", turns)
    for _ in range(2):
        with pytest.raises(NotDone):
            await asyncio.gather(db(ask, instance, "sessions", {}, by=None), _answering(agent, {}, [{"text": "no"}]))
    turns.acquire()
    with pytest.raises(NotConnected, match="too many questions wait"):
        await db(ask, instance, "sessions", {}, by=None)


async def test_an_answer_that_no_browser_could_read_is_none(world: World) -> None:
    instance, agent = await _node(world)
    with pytest.raises(NotDone, match="numbers that are none"):
        await asyncio.gather(db(ask, instance, "sessions", {}, by=None), _answering(agent, {"sessions": [float("nan")]}))


async def test_monitors_are_told_what_runs(world: World) -> None:
    instance, agent = await _node(world)
    foreign, _ = await db(world.node, "away")
    other = await db(world.instance, foreign, "other", {"outbounds": []})
    await agent.state({"workers": {str(instance.pk): {
        "phase": "running", "sessions": 5,
        "portals": {"home": {"carriers": {"1": {}, "2": {}, "3": {"leaving": True}}, "sessions": 4}, "odd": 7},
        "bridges": {"out": {"carriers": 3, "sessions": "x"}}}}}, is_full=True)

    def figures(**headers: str) -> dict[str, float]:
        text = Client().get("/metrics", **headers).content.decode()
        return {f"{sample.name} {' '.join(sample.labels.values())}": sample.value
                for family in text_string_to_metric_families(text) for sample in family.samples}

    def live() -> dict[str, float]:
        found = figures()
        return found if "xrev_worker_up web edge" in found else {}

    found = await eventually_in_db(live)
    assert {name: value for name, value in found.items() if name.startswith(("xrev_node", "xrev_tunnel", "xrev_worker"))} == {
        "xrev_node_up edge": 1, "xrev_node_up away": 0, "xrev_worker_up web edge": 1,
        "xrev_tunnel_up web portal home edge": 1, "xrev_tunnel_carriers web portal home edge": 2,
        "xrev_tunnel_sessions web portal home edge": 4, "xrev_tunnel_up web bridge out edge": 0,
        "xrev_tunnel_carriers web bridge out edge": 0, "xrev_tunnel_sessions web bridge out edge": 0}
    assert found["xrev_sessions web edge"] == 5

    def of_other() -> dict[str, float]:
        ada = User.objects.create_superuser("ada")
        _, text = create_token(ada, by=None, name="t", scope="read", instances=[other])
        return figures(HTTP_AUTHORIZATION=f"Bearer {text}")

    assert not [name for name in await db(of_other) if name.startswith("xrev_node") or "web" in name]


async def test_more_tunnels_than_a_monitor_bears_are_left_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, agent = await _node(world)
    portals = {f"p{number}": {"carriers": {}} for number in range(MAX_GAUGED_TUNNELS + 5)}
    await agent.state({"workers": {str(instance.pk): {"phase": "running", "sessions": 2, "portals": portals}}}, is_full=True)

    def lines() -> list[str]:
        return [line for line in Client().get("/metrics").content.decode().splitlines() if 'instance="web"' in line]

    def tunnels(listed: list[str]) -> int:
        return sum(line.startswith("xrev_tunnel_up{") for line in listed)

    await eventually_in_db(lambda: tunnels(lines()) == MAX_GAUGED_TUNNELS)
    monkeypatch.setattr(metrics, "MAX_TUNNEL_SERIES", MAX_GAUGED_TUNNELS - 1)
    found = await db(lines)
    assert tunnels(found) == 0
    assert 'xrev_sessions{instance="web",node="edge"} 2.0' in found


async def test_why_there_is_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, agent = await _node(world)
    with pytest.raises(NotDone, match="there is no such tunnel"):
        await asyncio.gather(
            db(ask, instance, "sessions", {}, by=None), _answering(agent, {}, [{"text": "there is no such tunnel"}]))
    with pytest.raises(NotConnected, match="did not answer within 0 s"):
        await db(ask, instance, "sessions", {}, by=None, timeout_s=0.3)
    with pytest.raises(ServiceError, match="what may be asked"):
        await db(ask, instance, "watch_log", {}, by=None)
    with pytest.raises(ServiceError, match="longer than"):
        await db(ask, instance, "explain", {"x": "x" * 20_000}, by=None)
    monkeypatch.setattr(replies, "TAKEN_WITHIN_S", 0.3)
    await agent.close()
    with pytest.raises(NotConnected, match="is not connected"):
        await db(ask, instance, "sessions", {}, by=None)


async def test_questions_that_nobody_takes_do_not_disturb_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ends in its time, and all the while another node's answers come."""
    instance, agent = await _node(world)
    monkeypatch.setattr(replies, "TAKEN_WITHIN_S", 0.5)

    async def nobody(number: int) -> None:
        with pytest.raises(replies.NobodyThere):
            await replies.ask_node(instance.node_id + 1 + number, instance.pk, "sessions", {}, 5.0)

    begun = time.monotonic()
    for _ in range(5):
        asking = [asyncio.ensure_future(nobody(number)) for number in range(20)]
        said, _ = await asyncio.gather(
            replies.ask_node(instance.node_id, instance.pk, "sessions", {}, 5.0), _answering(agent, {"total": 7}))
        assert said["answer"] == {"total": 7}
        await asyncio.gather(*asking)
    assert time.monotonic() - begun < 15


async def test_what_is_cut_is_known(world: World) -> None:
    instance, agent = await _node(world)
    carriers = {"carriers": {"1": {"peer": "x"}}}
    await agent.state({"workers": {str(instance.pk): {
        "phase": "running", "sessions": 5, "portals": {"a": carriers, "b": {}}, "bridges": {"c": carriers}}}})
    await agent.settled()
    assert await db(what_stops, await db(Node.objects.get)) == {"workers": 1, "tunnels": 2, "sessions": 5}


@pytest.mark.parametrize(("scope", "what", "more", "status"), [
    ("read", "sessions", {}, 200), ("read", "close", {}, 403), ("operate", "close", {}, 200), ("operate", "nonsense", {}, 400),
    ("read", "diagnose", {}, 200), ("read", "diagnose", {"target": "10.0.0.1:22"}, 403)])
async def test_by_rest_looks_and_orders_have_rights_of_their_own(
        world: World, scope: str, what: str, more: dict[str, str], status: int) -> None:
    instance, agent = await _node(world)

    def post() -> int:
        ada = User.objects.create_superuser("ada")
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_token(ada, by=ada, name='t', scope=scope)[1]}")
        body = {"what": what, "arguments": {"ids": ["1/1/1"], **more}}
        answer = client.post(f"/api/v1/instances/{instance.pk}/ask/", body, format="json")
        return int(answer.status_code)

    asking = asyncio.ensure_future(db(post))
    if status == 200:
        await _answering(agent, {"closed": 1})
    assert await asking == status


async def test_server_sent_events(world: World) -> None:
    instance, agent = await _node(world)
    await agent.state({"workers": {str(instance.pk): {"phase": "running", "sessions": 1}}}, is_full=True)

    def make() -> Any:
        ada = User.objects.create_superuser("ada")
        token, text = create_token(ada, by=ada, name="t")
        return token, rights.by_token(text, "192.0.2.1")

    token, looker = await db(make)
    stream = sse.stream(looker)
    assert await anext(stream) == "retry: 1000\n\n"
    first = json.loads((await anext(stream)).removeprefix("data: "))
    assert first["type"] == "full"
    assert (await anext(stream)).startswith('data: {"type":"events"')
    await agent.state({"workers": {str(instance.pk): {"sessions": 2}}})
    while True:
        text = await asyncio.wait_for(anext(stream), 5)
        if '"sessions":2' in text:
            break
    # It has not gone on since, so it has not acknowledged that yet; what happens in that moment is told all the same.
    await agent.say({"type": "events", "events": [{"kind": "stalled", "at": 1, "instance": instance.pk}]})
    await eventually(lambda: hub()._events[-1]["kind"] == "stalled")
    while '"kind":"stalled"' not in text:
        text = await asyncio.wait_for(anext(stream), 5)
    await db(revoke_token, token, by=None)
    async with asyncio.timeout(8):
        async for _ in stream:
            pass
