"""An agent's connection: who is let in, what it is told, and what becomes of what it says."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dashboard.choices import Standing
from dashboard.engine.content import Kind
from dashboard.live import agents
from dashboard.models import Credential, InstanceRun, Node, NodeEvent, Revision
from dashboard.services.editing import create_entry
from dashboard.services.nodes import approve, pause, resume, revoke
from dashboard.services.publishing import publish
from dashboard.services.running import confirm
from dashboard.services.switching import set_enabled
from proxycore.messages.link import Close
from tests.dashboard.live.conftest import World, db, eventually_in_db

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("spoil", ["", "xrevnode_0000_x", "{identity}x"])
async def test_a_stranger_is_refused_before_it_is_let_in(world: World, spoil: str) -> None:
    _, identity = await db(world.node)
    assert not await world.agent(spoil.format(identity=identity)).open()


async def test_a_browser_is_no_agent(world: World) -> None:
    _, identity = await db(world.node)
    assert not await world.agent(identity, origin="http://testserver").open()


async def test_it_is_told_what_to_run_and_that_again_only_when_it_changes(world: World) -> None:
    node, identity = await db(world.node)
    instance = await db(world.instance, node)
    agent = world.agent(identity)
    wanted = await agent.join()
    (one,) = wanted["instances"]
    newest = await db(Revision.objects.get)
    assert (one["instance"], one["name"], one["revision"], one["document"]) == (instance.pk, "web", 1, newest.document)
    alice = await db(Credential.objects.get, email="alice")
    begin = time.monotonic()
    await db(set_enabled, [alice], False, by=None)
    (limited,) = (await agent.await_("wanted"))["instances"]
    assert time.monotonic() - begin < 2
    assert limited["document"] is None, "it has it already"
    assert limited["limits"] == [
        {"path": "inbounds[0].settings.clients[0]", "email": "alice", "expires_at": None, "bytes_left": 0}]
    again = world.agent(identity, running=[
        {"instance": instance.pk, "revision": 1, "document_sha256": newest.document_sha256}])
    (told,) = (await again.join())["instances"]
    assert told["document"] is None
    assert (await agent.await_("closed"))["code"] == Close.REPLACED


async def test_a_node_that_waits_is_paused_or_revoked(world: World) -> None:
    node, identity = await db(world.node, approves=False)
    for act, code in ((None, Close.WAITING), (approve, None), (pause, Close.PAUSED), (resume, None), (revoke, Close.REVOKED)):
        if act is not None:
            await db(act, node, by=None)
        agent = world.agent(identity)
        if code is None:
            await agent.join()
            await agent.close()
            continue
        assert await agent.open()
        if code == Close.PAUSED:
            await agent.greet()         # it is asked first whether it knows
        assert (await agent.hear())["code"] == code
    assert (await db(Node.objects.get)).last_seen_from == "192.0.2.7"


@pytest.mark.parametrize(("act", "code"), [(pause, Close.PAUSED), (revoke, Close.REVOKED)])
async def test_who_is_connected_hears_of_it_at_once(world: World, act: Any, code: int) -> None:
    node, identity = await db(world.node)
    agent = world.agent(identity)
    await agent.join()
    begin = time.monotonic()
    await db(act, node, by=None)
    assert (await agent.await_("closed"))["code"] == code
    assert time.monotonic() - begin < 2
    await agent.close()
    node = await db(Node.objects.get)
    assert not node.is_up
    assert not await db(NodeEvent.objects.filter(kind="node_down").exists), "it was our own word"


@pytest.mark.parametrize("act", [resume, revoke])
async def test_an_agent_that_knows_that_it_is_paused_is_kept_and_hears_at_once(world: World, act: Any) -> None:
    node, identity = await db(world.node)
    instance = await db(world.instance, node)
    await db(pause, node, by=None)
    agent = world.agent(identity)
    assert await agent.open()
    await agent.greet(is_paused=True)
    await eventually_in_db(lambda: Node.objects.get().last_seen_at)
    await agent.say({"type": "ping"})
    await agent.say({"type": "events", "events": [{"kind": "tunnel_up", "at": time.time()}]})
    assert await agent.is_quiet(0.3)
    assert not (await db(Node.objects.get)).is_up
    begin = time.monotonic()
    await db(act, node, by=None)
    if act is revoke:
        assert (await agent.await_("closed"))["code"] == Close.REVOKED
    else:
        assert (await agent.hear())["type"] == "welcome"
        (wanted,) = (await agent.await_("wanted"))["instances"]
        assert wanted["instance"] == instance.pk
        assert (await db(Node.objects.get)).is_up
        await db(pause, node, by=None)
        assert (await agent.await_("closed"))["code"] == Close.PAUSED
    assert time.monotonic() - begin < 2
    assert not await db(NodeEvent.objects.filter(kind="tunnel_up").exists)


async def test_a_paused_agent_that_is_silent_is_let_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "BEAT_S", 0.1)
    monkeypatch.setattr(agents, "SILENCE_S", 0.5)
    node, identity = await db(world.node)
    await db(pause, node, by=None)
    agent = world.agent(identity)
    await agent.open()
    await agent.greet(is_paused=True)
    assert (await agent.await_("ping"))["type"] == "ping"
    assert (await agent.await_("closed"))["code"] == 1000


async def test_another_identity_ends_the_connection_of_the_old_one(world: World) -> None:
    from dashboard.services.joining import join, make_join_token

    node, identity = await db(world.node)
    agent = world.agent(identity)
    await agent.join()
    _, text = await db(make_join_token, by=None, node=node)
    await db(join, text, wished_name="", version="1", address=None)
    assert (await agent.await_("closed"))["code"] == Close.REVOKED


async def test_one_identity_from_two_places_is_noticed(world: World) -> None:
    _, identity = await db(world.node)
    first = world.agent(identity, "one")
    await first.join()
    second = world.agent(identity, "two")
    await second.join()
    assert (await first.await_("closed"))["code"] == Close.REPLACED
    third = world.agent(identity, "one")
    await third.join()
    for one in (first, second):
        await one.close()           # what it had to write is written by then
    assert await db(NodeEvent.objects.filter(kind="node_twice").count) == 1
    node = await db(Node.objects.get)
    assert node.twice_at is not None
    assert node.is_up


async def test_an_agent_that_only_reconnects_is_not_two(world: World) -> None:
    _, identity = await db(world.node)
    for _ in range(3):
        await world.agent(identity, "one").join()
    restarted = world.agent(identity, "two")
    await world.open[-2].close()
    await restarted.join()
    assert not await db(NodeEvent.objects.filter(kind="node_twice").exists)


async def test_another_protocol_is_refused_in_words(world: World) -> None:
    _, identity = await db(world.node)
    agent = world.agent(identity)
    await agent.open()
    await agent.say({"type": "hello", "protocol": 99, "version": "9", "boot": "b", "at": 0})
    assert (await agent.hear())["code"] == Close.VERSION


@pytest.mark.parametrize("message", [
    "no json", "[]", '{"type": "state"}', '{"type": "state", "at": 1, "patch": {"workers": 7}}',
    '{"type": "events", "events": [{"kind": "made_up", "at": 1}]}', '{"type": "hello"}',
    '{"type": "state", "at": 1e999, "patch": {}}', '{"type": "events", "events": [{"kind": "stalled", "at": 1, "seconds": NaN}]}',
    '{"type": "log", "instance": 1, "lines": [[Infinity, "info", "x"]]}',
])
async def test_what_is_no_message_ends_it(world: World, message: str) -> None:
    _, identity = await db(world.node)
    agent = world.agent(identity)
    await agent.join()
    await agent.say(message)
    closed = await agent.await_("closed")
    assert closed["code"] == Close.BROKEN


async def test_a_newer_agents_message_is_passed_over(world: World) -> None:
    _, identity = await db(world.node)
    agent = world.agent(identity)
    await agent.join()
    await agent.say({"type": "something_new", "x": 1})
    await agent.say({"type": "traffic", "boot": "b1", "seq": 1, "at": 0, "moved": []})
    assert (await agent.await_("kept"))["seq"] == 1


async def test_too_many_messages_end_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "MESSAGES_AT_ONCE", 20.0)
    monkeypatch.setattr(agents, "MESSAGES_PER_S", 0.0)
    _, identity = await db(world.node)
    agent = world.agent(identity)
    await agent.join()
    for _ in range(25):
        await agent.say({"type": "ping"})
    assert (await agent.await_("closed"))["code"] == Close.BROKEN


async def test_what_became_of_revisions_is_kept_in_order(world: World) -> None:
    node, identity = await db(world.node)
    instance = await db(world.instance, node)
    agent = world.agent(identity)
    await agent.join()
    await agent.say({"type": "applied", "instance": instance.pk, "revision": 1, "changes": ["started"]})
    await db(create_entry, instance, Kind.OUTBOUND, {"tag": "more", "protocol": "freedom"}, by=None)
    await db(publish, instance, by=None, accept_warnings=True, confirm_s=30, needs_confirm=True)
    (second,) = (await agent.await_("wanted"))["instances"]
    while second["revision"] != 2:
        (second,) = (await agent.await_("wanted"))["instances"]
    assert (second["confirm_s"], second["needs_confirm"]) == (30.0, True)
    await agent.say({"type": "applied", "instance": instance.pk, "revision": 2})
    await agent.state({"workers": {str(instance.pk): {"phase": "running", "revision": 2, "pending": 2}}})
    await agent.say({"type": "traffic", "boot": "b1", "seq": 1, "at": 0, "moved": []})
    await agent.await_("kept")
    assert (await db(InstanceRun.objects.get)).is_pending
    await db(confirm, instance, by=None)
    assert (await agent.await_("confirm"))["revision"] == 2
    await agent.state({"workers": {str(instance.pk): {"pending": None}}})
    await agent.say({"type": "traffic", "boot": "b1", "seq": 2, "at": 0, "moved": []})
    await agent.await_("kept")
    run = await db(InstanceRun.objects.get)
    assert (run.settled, run.is_pending) == (2, False)


async def test_what_was_taken_back_is_published_again(world: World) -> None:
    node, identity = await db(world.node)
    instance = await db(world.instance, node)
    agent = world.agent(identity)
    await agent.join()
    await agent.say({"type": "applied", "instance": instance.pk, "revision": 1})
    await db(create_entry, instance, Kind.OUTBOUND, {"tag": "more", "protocol": "freedom"}, by=None)
    await db(publish, instance, by=None, accept_warnings=True, confirm_s=30)
    await agent.say({"type": "applied", "instance": instance.pk, "revision": 2})
    await agent.say({"type": "reverted", "instance": instance.pk, "revision": 2, "back_to": 1, "reason": "portal home is gone"})
    while True:
        (told,) = (await agent.await_("wanted"))["instances"]
        if told["revision"] == 3:
            break
    first = await db(Revision.objects.get, number=1)
    assert told["document_sha256"] == first.document_sha256
    assert "portal home is gone" in (await db(Revision.objects.get, number=3)).comment


async def test_events_are_kept_and_foreign_instances_are_not_believed(world: World) -> None:
    node, identity = await db(world.node)
    other, _ = await db(world.node, "other")
    mine, foreign = await db(world.instance, node), await db(world.instance, other, "theirs", {"outbounds": []})
    agent = world.agent(identity)
    await agent.join()
    await agent.say({"type": "events", "events": [
        {"kind": "tunnel_down", "at": time.time(), "instance": mine.pk, "tag": "home", "text": "gone\0", "source": "192.0.2.1"},
        {"kind": "tunnel_up", "at": 1e300, "instance": foreign.pk, "text": "mine now"}]})
    await agent.say({"type": "traffic", "boot": "b1", "seq": 1, "at": 0, "moved": []})
    await agent.await_("kept")
    down, up = await db(lambda: list(NodeEvent.objects.filter(kind__startswith="tunnel").order_by("pk")))
    assert (down.instance_id, down.tag, down.text, down.source) == (mine.pk, "home", "gone", "192.0.2.1")
    assert up.instance_id is None
    assert abs(up.at.timestamp() - time.time()) < 60


async def test_a_node_that_goes_without_a_word_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "GONE_AFTER_S", 0.2)
    _, identity = await db(world.node)
    agent = world.agent(identity)
    await agent.join()
    assert (await db(Node.objects.get)).state == Standing.APPROVED
    await agent.close()

    def is_down() -> Any:
        return NodeEvent.objects.filter(kind="node_down").first()

    event = await eventually_in_db(is_down)
    assert "192.0.2.7" in event.text
    assert not (await db(Node.objects.get)).is_up


async def test_events_that_are_said_again_are_kept_once(world: World) -> None:
    node, identity = await db(world.node)
    agent = world.agent(identity)
    await agent.join()
    said = {"type": "events", "seq": 1, "events": [{"kind": "tunnel_up", "at": time.time(), "text": "first"}]}
    await agent.say(said)
    assert (await agent.await_("events_kept"))["seq"] == 1
    again = world.agent(identity)
    await again.join()          # the connection before broke before the answer was read
    await again.say(said)
    assert (await again.await_("events_kept"))["seq"] == 1
    await again.say({**said, "seq": 2, "events": [{"kind": "tunnel_up", "at": time.time(), "text": "second"}]})
    assert (await again.await_("events_kept"))["seq"] == 2
    other = world.agent(identity, "b2")
    await other.join()          # another process counts from 1
    await other.say({**said, "events": [{"kind": "tunnel_up", "at": time.time(), "text": "third"}]})
    assert (await other.await_("events_kept"))["seq"] == 1

    def texts() -> list[str]:
        return list(NodeEvent.objects.filter(node=node, kind="tunnel_up").order_by("pk").values_list("text", flat=True))

    assert await db(texts) == ["first", "second", "third"]
