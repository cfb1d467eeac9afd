from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.choices import ConditionKind, Standing
from dashboard.models import Certificate, Condition, Credential, Inbound, Instance, Node, NodeEvent
from dashboard.services.conditions import Changed, look
from dashboard.services.events import _prune
from dashboard.services.importing import import_new
from dashboard.services.instances import change_instance
from dashboard.services.publishing import publish
from proxycore.messages.events import Kind

ID = "5783a3e7-e373-51cd-8642-c83782b807c5"
PORTAL = {
    "inbounds": [
        {"tag": "web", "listen": "127.0.0.1", "port": 8080, "protocol": "dokodemo-door",
         "settings": {"address": "127.0.0.1", "port": 80}},
        {"tag": "carriers", "listen": "127.0.0.1", "port": 8081, "protocol": "vless",
         "settings": {"clients": [{"id": ID, "email": "bridge"}], "decryption": "none"}}],
    "outbounds": [{"tag": "none", "protocol": "blackhole"}],
    "reverse": {"portals": [{"tag": "home", "domain": "home.example"}]},
    "routing": {"rules": [
        {"type": "field", "inboundTag": ["carriers"], "domain": ["full:home.example"], "outboundTag": "home"},
        {"type": "field", "inboundTag": ["web"], "outboundTag": "home"}]},
}  # fmt: skip
BRIDGE = {
    "outbounds": [
        {"tag": "out", "protocol": "freedom"},
        {"tag": "portal", "protocol": "vless", "settings": {"vnext": [
            {"address": "127.0.0.1", "port": 8081, "users": [{"id": ID, "encryption": "none"}]}]}}],
    "reverse": {"bridges": [{"tag": "b", "domain": "home.example"}]},
    "routing": {"rules": [
        {"type": "field", "inboundTag": ["b"], "domain": ["full:home.example"], "outboundTag": "portal"},
        {"type": "field", "inboundTag": ["b"], "outboundTag": "out"}]},
}  # fmt: skip


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def node(db: None, now: datetime) -> Node:
    return Node.objects.create(name="edge", state=Standing.APPROVED, is_up=True, last_seen_at=now)


def published(node: Node, document: object, name: str) -> Instance:
    instance, _ = import_new(json.dumps(document), name=name, node=node, by=None)
    publish(instance, by=None, accept_warnings=True)
    return instance


@pytest.fixture
def portal(node: Node) -> Instance:
    return published(node, PORTAL, "portal")


def tell(node: Node, kind: Kind, at: datetime, instance: Instance | None = None, tag: str = "", text: str = "") -> None:
    NodeEvent.objects.create(node=node, instance=instance, kind=kind.value, at=at, tag=tag, text=text)


def standing() -> list[tuple[str, str]]:
    return [(row.kind, row.text) for row in Condition.objects.filter(cleared_at=None).order_by("pk")]


def test_a_tunnel_goes_down_and_comes_back(node: Node, portal: Instance, now: datetime) -> None:
    tell(node, Kind.TUNNEL_UP, now - timedelta(minutes=5), portal, "home")
    assert look(now).opened == []
    tell(node, Kind.TUNNEL_DOWN, now - timedelta(minutes=3), portal, "home", "the other side closed the carrier")
    [opened] = look(now).opened
    assert opened.text == "tunnel home of portal is down: the other side closed the carrier"
    assert opened.since == now - timedelta(minutes=3)
    assert look(now).opened == []
    tell(node, Kind.TUNNEL_UP, now, portal, "home")
    [over] = look(now).over
    assert over.pk == opened.pk
    assert standing() == []


def test_what_is_wrong_for_longer_than_events_are_kept_is_not_over(node: Node, portal: Instance, now: datetime) -> None:
    far = published(node, BRIDGE, "far")
    tell(node, Kind.TUNNEL_DOWN, now - timedelta(minutes=3), portal, "home", "gone")
    tell(node, Kind.CRASH_LOOP, now - timedelta(minutes=2), far, "", "exit code 1")
    assert len(look(now).opened) == 2
    for _ in range(3):
        tell(node, Kind.REFUSED, now, portal, "carriers", "a stranger")
    _prune(NodeEvent.objects.filter(node=node), 2)
    assert not NodeEvent.objects.filter(kind__in=[Kind.TUNNEL_DOWN.value, Kind.CRASH_LOOP.value]).exists()
    assert look(now) == Changed([], [])
    tell(node, Kind.TUNNEL_UP, now, portal, "home")
    tell(node, Kind.WORKER_STARTED, now, far)
    assert len(look(now).over) == 2
    assert look(now) == Changed([], [])


def test_a_tunnel_of_ours_at_both_ends_counts_once(node: Node, portal: Instance, now: datetime) -> None:
    far = published(node, BRIDGE, "far")
    tell(node, Kind.TUNNEL_DOWN, now, portal, "home")
    tell(node, Kind.TUNNEL_DOWN, now, far, "b")
    assert len(look(now).opened) == 1


def test_a_bridge_to_somebody_elses_portal_counts(node: Node, now: datetime) -> None:
    far = published(node, BRIDGE, "far")
    tell(node, Kind.TUNNEL_DOWN, now, far, "b", "connection refused")
    assert [one.text for one in look(now).opened] == ["tunnel b of far is down: connection refused"]


def test_nothing_is_known_of_tunnels_while_their_node_is_gone(node: Node, portal: Instance, now: datetime) -> None:
    tell(node, Kind.TUNNEL_DOWN, now, portal, "home")
    look(now)
    Node.objects.update(is_up=False)
    changed = look(now)
    assert [one.kind for one in changed.opened] == [ConditionKind.NODE_DOWN]
    assert changed.over == []
    Condition.objects.filter(kind=ConditionKind.TUNNEL_DOWN).delete()
    assert look(now).opened == []


@pytest.mark.parametrize("state", [Standing.PAUSED, Standing.REVOKED, Standing.NEW])
def test_a_node_that_need_not_be_there_is_not_missed(node: Node, state: Standing, now: datetime) -> None:
    Node.objects.filter(pk=node.pk).update(is_up=False, state=state)
    assert look(now).opened == []


def test_a_tunnel_that_was_switched_off_is_not_missed(node: Node, portal: Instance, now: datetime) -> None:
    tell(node, Kind.TUNNEL_DOWN, now, portal, "home")
    look(now)
    change_instance(portal, by=None, enabled=False)
    assert len(look(now).over) == 1


def test_a_crash_loop_stands_until_the_worker_runs_again(node: Node, portal: Instance, now: datetime) -> None:
    tell(node, Kind.CRASH_LOOP, now, portal, text="5 times in 60 s")
    assert [one.kind for one in look(now).opened] == [ConditionKind.CRASH_LOOP]
    tell(node, Kind.WORKER_STARTED, now, portal)
    assert len(look(now).over) == 1


def test_certificates_are_told_of_before_they_end(db: None, now: datetime) -> None:
    def certificate(name: str, days: int) -> Certificate:
        return Certificate.objects.create(name=name, chain_pem="", not_before=now, not_after=now + timedelta(days=days))

    certificate("fresh", 15)
    soon = certificate("soon", 13)
    certificate("gone", -1)
    assert sorted(one.text.split(" on ")[0] for one in look(now).opened) == [
        "certificate gone has expired", "certificate soon expires"]
    soon.not_after = now + timedelta(days=90)
    soon.save()
    assert len(look(now).over) == 1


def test_clients_are_told_of_before_they_end(portal: Instance, now: datetime) -> None:
    inbound = Inbound.objects.get(instance=portal, tag="carriers")
    for email, days, enabled in (("soon", 2, True), ("later", 5, True), ("ended", -1, True), ("off", 2, False)):
        Credential.objects.create(inbound=inbound, email=email, expires_at=now + timedelta(days=days), enabled=enabled)
    [opened] = look(now).opened
    assert opened.text.startswith("client soon of portal expires on ")


def test_looking_costs_a_fixed_number_of_queries(node: Node, now: datetime) -> None:
    def tunnels(count: int) -> None:
        for number in range(count):
            document = json.loads(json.dumps(BRIDGE).replace("home.example", f"h{Instance.objects.count()}.example"))
            instance = published(node, document, f"far{Instance.objects.count()}-{number}")
            tell(node, Kind.TUNNEL_UP, now, instance, "b")
        look(now)

    tunnels(2)
    with CaptureQueriesContext(connection) as few:
        look(now)
    tunnels(6)
    with CaptureQueriesContext(connection) as many:
        look(now)
    assert len(many) == len(few) <= 12
