"""What browsers and programs are told: who is let in, what they see of it, and how a slow one is spared."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from autobahn.exception import Disconnected
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from dashboard.live import hub as hubs
from dashboard.models import ApiToken, Instance, Node
from dashboard.services.tokens import create_token, revoke_token
from tests.dashboard.live.conftest import PATIENCE_S, Agent, Page, World, db, eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def patient_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may be late with what the first page begins with; it is there all the same."""
    monkeypatch.setattr(hubs, "FIRST_WAIT_S", PATIENCE_S)


def _worker(up: int = 0, **more: Any) -> dict[str, Any]:
    home = {"carriers": {"1": {"peer": "192.0.2.1:5"}}, "up": up, "down": 0, "sessions": 1}
    return {"phase": "running", "portals": {"home": home}, **more}


async def _running(world: World) -> tuple[Node, Instance, Agent]:
    node, identity = await db(world.node)
    instance = await db(world.instance, node)
    agent = world.agent(identity)
    await agent.join()
    await agent.state({"host": {"cpu": 0.5}, "workers": {str(instance.pk): _worker()}}, is_full=True)
    await agent.settled()
    return node, instance, agent


async def _token(name: str, user: str, **options: Any) -> tuple[ApiToken, str]:
    def make() -> tuple[ApiToken, str]:
        person = User.objects.create_user(user, is_superuser=True)
        return create_token(person, by=person, name=name, **options)

    made: tuple[ApiToken, str] = await db(make)
    return made


@pytest.mark.parametrize("headers", [
    {}, {"cookie": "sessionid=x"}, {"authorization": "Bearer xrev_0_0"}, {"origin": "http://evil.example", "cookie": "{cookie}"},
    {"origin": "", "cookie": "{cookie}"}, {"cookie": "{cookie}"}, {"origin": "http://testserver", "cookie": "{nobody}"},
    {"authorization": "Bearer xrev_0_0", "cookie": "{cookie}", "origin": "http://testserver"},
    {"host": "evil.example", "origin": "http://evil.example", "cookie": "{cookie}"},
], ids=["nobody", "no session", "no token", "another site", "empty origin", "no origin", "no role", "wrong token", "a host"])
async def test_who_is_refused(world: World, headers: dict[str, str]) -> None:
    cookie, nobody = await db(world.cookie), await db(world.cookie, "sam", "none")
    given = {name: value.format(cookie=cookie, nobody=nobody) for name, value in headers.items()}
    world.open.append(page := Page(**given))
    assert not await page.open()


async def test_a_page_gets_everything_then_what_changes(world: World) -> None:
    node, instance, agent = await _running(world)
    page = world.page(await db(world.cookie))
    assert await page.open()
    full = await page.hear()
    assert full["type"] == "full"
    (state,) = full["nodes"].values()
    assert (state["name"], state["standing"], state["connected"]) == ("edge", "approved", True)
    assert state["workers"][str(instance.pk)]["portals"]["home"]["carriers"]["1"]["peer"] == "192.0.2.1:5"
    assert state["host"]["cpu"] == 0.5
    assert abs(state["host"]["clock_skew_s"]) < 2
    page.nodes = full["nodes"]
    await page.say({"ack": full["version"]})
    begin = time.monotonic()
    await agent.state({"workers": {str(instance.pk): {"portals": {"home": {"up": 500}}}}})
    await page.follow(lambda nodes: nodes[str(node.pk)]["workers"][str(instance.pk)]["portals"]["home"]["up"] == 500)
    assert time.monotonic() - begin < 2
    await agent.close()
    await page.follow(lambda nodes: nodes[str(node.pk)]["connected"] is False)


async def test_a_node_that_comes_is_on_open_pages_at_once(world: World) -> None:
    node, identity = await db(world.node)
    instance = await db(world.instance, node)
    page = world.page(await db(world.cookie))
    assert await page.open()
    await page.follow(lambda nodes: nodes.get(str(node.pk), {}).get("connected") is False)
    agent = world.agent(identity)
    begin = time.monotonic()
    await agent.join()
    await agent.state({"workers": {str(instance.pk): _worker()}}, is_full=True)
    await page.follow(lambda nodes: nodes[str(node.pk)]["connected"] and nodes[str(node.pk)].get("workers"))
    assert time.monotonic() - begin < 3


async def test_charts_begin_full_although_nobody_looked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from dashboard.live import history

    monkeypatch.setattr(history, "EVERY_S", 0.0)
    _, instance, agent = await _running(world)
    for up in (1000, 2000, 3000):
        await asyncio.sleep(0.05)
        await agent.state({"workers": {str(instance.pk): {"portals": {"home": {"up": up}}}}})
    await agent.settled()
    page = world.page(await db(world.cookie))
    await page.open()
    full = await page.await_("full")
    points = full["history"][str(instance.pk)]["home"]
    assert len(points) == 3
    assert all(rate > 0 and sessions == 1 for _, rate, _, sessions in points)


async def test_events_come_at_once_and_the_last_ones_at_first(world: World) -> None:
    node, instance, agent = await _running(world)
    page = world.page(await db(world.cookie))
    await page.open()
    first = await page.await_("events")
    assert [one["kind"] for one in first["events"]] == ["node_up"]
    took, last = [], first["events"][0]["id"]
    for _ in range(3):          # the best counts: other programs take turns with us
        begin = time.monotonic()
        await agent.say({"type": "events", "events": [
            {"kind": "tunnel_down", "at": time.time(), "instance": instance.pk, "tag": "home", "text": "gone"}]})
        (event,) = (await page.await_("events"))["events"]
        took.append(time.monotonic() - begin)
        assert (event["kind"], event["node"], event["instance"], event["tag"]) == ("tunnel_down", node.pk, instance.pk, "home")
        assert event["id"] > last
        last = event["id"]
    assert min(took) < 0.5


async def test_who_does_not_acknowledge_gets_no_queue(world: World) -> None:
    _, instance, agent = await _running(world)
    page = world.page(await db(world.cookie))
    await page.open()
    full = await page.await_("full")
    await page.await_("events")
    for up in (1, 2, 3):
        await agent.state({"workers": {str(instance.pk): {"portals": {"home": {"up": up}}}}})
        assert await page.is_quiet(1.1)
    await page.say({"ack": full["version"]})
    newest = await page.hear()
    assert newest["type"] == "full"
    assert newest["version"] > full["version"]
    (state,) = newest["nodes"].values()
    assert state["workers"][str(instance.pk)]["portals"]["home"]["up"] == 3


async def test_nobody_looks_nothing_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from dashboard.live import looked_at

    monkeypatch.setattr(looked_at, "LOOKED_S", 0.3)
    _, instance, agent = await _running(world)
    page = world.page(await db(world.cookie))
    await page.open()
    await page.await_("full")
    assert hubs.hub()._running is not None
    await page.close()
    world.open.remove(page)
    await eventually(lambda: hubs.hub()._running is None)
    from channels.layers import get_channel_layer

    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("hubs", channel)
    await asyncio.sleep(0.4)
    await agent.state({"workers": {str(instance.pk): {"sessions": 7}}})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(layer.receive(channel), 0.5)
    again = world.page(await db(world.cookie))
    await again.open()
    (state,) = (await again.await_("full"))["nodes"].values()
    assert state["workers"][str(instance.pk)]["sessions"] == 7, "what happened meanwhile is there"


async def test_a_token_for_some_instances_sees_no_others(world: World) -> None:
    _, instance, agent = await _running(world)
    other_node, other_identity = await db(world.node, "other")
    mine = await db(world.instance, other_node, "mine", {"outbounds": []})
    also_there = await db(world.instance, other_node, "also there", {"outbounds": [{"protocol": "freedom"}]})
    other = world.agent(other_identity)
    await other.join()
    await other.state({"host": {"cpu": 1.0}, "workers": {str(mine.pk): _worker(), str(also_there.pk): _worker()}}, is_full=True)
    await other.settled()
    token, text = await _token("limited", "ada", instances=[mine])
    page = world.page(authorization=f"Bearer {text}")
    assert await page.open()
    await db(token.refresh_from_db)
    assert token.last_used_from == "192.0.2.7"
    await page.follow(lambda nodes: str(other_node.pk) in nodes)
    assert set(page.nodes) == {str(other_node.pk)}
    assert set(page.nodes[str(other_node.pk)]["workers"]) == {str(mine.pk)}
    assert "host" not in page.nodes[str(other_node.pk)]
    for who, where in ((agent, instance), (other, also_there), (other, mine)):
        event = {"kind": "tunnel_up", "at": time.time(), "instance": where.pk, "text": "up"}
        await who.say({"type": "events", "events": [event]})
        await who.state({"workers": {str(where.pk): {"sessions": 3}}})
    told = await page.await_("events")
    assert [event["instance"] for event in told["events"]] == [mine.pk]
    await page.say({"watch": {"sessions": {"instance": also_there.pk, "tunnel": "home", "kind": "portal"}}})
    assert "may not see" in (await page.await_("error"))["text"]
    await page.say({"watch": {"log": instance.pk}})
    assert "may not see" in (await page.await_("error"))["text"]


async def test_who_may_not_look_any_more_is_sent_away(world: World) -> None:
    await _running(world)
    token, text = await _token("t", "ada")
    program, page = world.page(authorization=f"Bearer {text}"), world.page(await db(world.cookie))
    for one in (program, page):
        await one.open()
        await one.await_("full")
    begin = time.monotonic()
    await db(revoke_token, token, by=None)
    await db(lambda: Session.objects.all().delete())
    for one in (program, page):
        message: dict[str, Any] = {"type": ""}
        while message["type"] != "closed":
            message = await one.hear()
        assert message["code"] == 4401
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("end", ["password", "inactive", "no role"])
async def test_a_changed_account_ends_it_too(world: World, end: str) -> None:
    page = world.page(await db(world.cookie))
    await page.open()
    await page.await_("full")

    def change() -> None:
        user = User.objects.get(username="vera")
        if end == "password":
            user.set_password("another one")
        user.is_active = end != "inactive"
        user.save()
        if end == "no role":
            user.groups.clear()

    await db(change)
    message: dict[str, Any] = {"type": ""}
    while message["type"] != "closed":
        message = await page.hear()
    assert message["code"] == 4401


@pytest.mark.parametrize("said", ["x", "[]", '{"ack": 99999999}', "[" * 4000, "x" * 5000])
async def test_nonsense_ends_it(world: World, said: str) -> None:
    page = world.page(await db(world.cookie))
    await page.open()
    await page.await_("full")
    await page.say(said)
    message: dict[str, Any] = {"type": ""}
    while message["type"] != "closed":
        message = await page.hear()
    assert message["code"] == 4400


async def test_sessions_are_asked_for_while_they_are_watched(world: World) -> None:
    _, instance, agent = await _running(world)
    pages = [world.page(await db(world.cookie)) for _ in range(2)]
    for page in pages:
        await page.open()
        await page.follow(lambda nodes: nodes and next(iter(nodes.values())).get("workers"))
        await page.say({"watch": {"sessions": {"instance": instance.pk, "tunnel": "home", "kind": "portal"}}})
    await eventually(lambda: hubs.hub().is_watched_by(2))
    asked = await agent.await_("ask")
    assert (asked["what"], asked["instance"], asked["arguments"]["tunnel"]) == ("sessions", instance.pk, "home")
    listed = [{"id": "1/1/1", "source": "192.0.2.3:4"}]
    await agent.say({"type": "answer", "id": asked["id"], "answer": {"sessions": listed, "total": 1}})
    for page in pages:
        told = await page.await_("sessions")
        assert (told["instance"], told["tunnel"], told["total"], told["sessions"][0]["id"]) == (instance.pk, "home", 1, "1/1/1")
    again = await agent.await_("ask")
    assert again["id"] != asked["id"]
    await agent.say({"type": "answer", "id": again["id"], "problems": [{"text": "there is no such tunnel"}]})
    assert (await pages[0].await_("error"))["text"] == "there is no such tunnel"
    for page in pages:
        await page.say({"watch": None})
        await page.close()
        world.open.remove(page)


async def test_a_log_is_sent_while_it_is_watched(world: World) -> None:
    _, instance, agent = await _running(world)
    page, other = world.page(await db(world.cookie)), world.page(await db(world.cookie))
    for one in (page, other):
        await one.open()
        await one.follow(lambda nodes: nodes and next(iter(nodes.values())).get("workers"))
    await page.say({"watch": {"log": instance.pk}})
    asked = await agent.await_("ask", what="log")
    await agent.say({"type": "answer", "id": asked["id"], "answer": {"lines": [[1.0, "info", "earlier"]]}})
    assert (await page.await_("log"))["lines"] == [[1.0, "info", "earlier"]]
    assert (await agent.await_("ask", what="watch_log"))["arguments"]["seconds"] > 5
    await agent.say({"type": "log", "instance": instance.pk, "lines": [[2.0, "warning", "new"]]})
    assert (await page.await_("log"))["lines"] == [[2.0, "warning", "new"]]
    assert "log" not in await other.rest(0.5)


async def test_one_that_is_closing_ends_nobody_elses_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """daphne raises when something is sent on a connection whose end it has not told us of yet."""
    from channels.generic.websocket import AsyncWebsocketConsumer

    _, instance, agent = await _running(world)
    closing, page = world.page(await db(world.cookie)), world.page(await db(world.cookie, "olaf"))
    for one in (closing, page):
        assert await one.open()
        await one.follow(lambda nodes: nodes)
    vera = await db(User.objects.get, username="vera")
    (gone,) = [one for one in hubs.hub().browsers if one.looker.user == vera.pk]
    send = AsyncWebsocketConsumer.send

    async def raising(consumer: Any, **said: Any) -> None:
        if getattr(consumer, "page", None) is gone:
            raise Disconnected("Attempt to send on a closed protocol")
        await send(consumer, **said)

    monkeypatch.setattr(AsyncWebsocketConsumer, "send", raising)
    for up in (1, 2):
        await agent.state({"workers": {str(instance.pk): {"portals": {"home": {"up": up}}}}})
        await page.follow(lambda nodes, up=up: any(
            worker["portals"]["home"]["up"] == up for node in nodes.values() for worker in node["workers"].values()))


async def test_a_slow_database_holds_no_page_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "CHECK_EVERY_S", 1)
    is_asked, goes_on = threading.Event(), threading.Event()
    check = hubs.rights.check

    def slow(lookers: Any) -> Any:
        is_asked.set()
        assert goes_on.wait(10)
        return check(lookers)

    monkeypatch.setattr(hubs.rights, "check", slow)
    _, instance, agent = await _running(world)
    page = world.page(await db(world.cookie))
    assert await page.open()
    await page.follow(lambda nodes: nodes)
    await eventually(is_asked.is_set)
    await agent.state({"workers": {str(instance.pk): {"sessions": 9}}})
    await page.follow(lambda nodes: any(
        worker.get("sessions") == 9 for node in nodes.values() for worker in node["workers"].values()))
    goes_on.set()           # only now: it was told while the database was asked
