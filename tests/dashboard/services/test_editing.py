from __future__ import annotations

import json
from typing import Any

import pytest

from dashboard.engine.content import Kind
from dashboard.engine.secrets import MASK
from dashboard.models import AuditEntry, Credential, Instance, RoutingRule
from dashboard.services.editing import (
    change_entry,
    change_rest,
    clone_entry,
    create_entry,
    delete_entries,
    what_would_break,
)
from dashboard.services.errors import PortTaken, ServiceError, TagTaken, VersionConflict, WouldBreak
from dashboard.services.exporting import export_document
from dashboard.services.importing import import_new
from dashboard.services.instances import create_instance, local_node

pytestmark = pytest.mark.django_db

ALICE = "5783a3e7-e373-51cd-8642-c83782b807c5"
BOB = "27848739-7e62-4138-9fd3-098a63964b6b"
DOCUMENT = {
    "inbounds": [
        {"port": 443, "protocol": "vless", "tag": "web", "later": {"b": 1, "a": 2},
         "settings": {"decryption": "none", "clients": [{"id": ALICE, "email": "alice"}, {"id": BOB, "email": "bob"}]}},
        {"tag": "ssh", "port": 2222, "protocol": "dokodemo-door"},
    ],
    "outbounds": [{"tag": "direct", "protocol": "freedom"},
                  {"tag": "far", "protocol": "vless", "proxySettings": {"tag": "direct"}}],
    "reverse": {"portals": [{"tag": "home", "domain": "home.example"}]},
    "routing": {"balancers": [{"tag": "any", "selector": ["far"], "fallbackTag": "direct"}],
                "rules": [{"inboundTag": ["web", "ssh"], "outboundTag": "home"}, {"outboundTag": "direct"},
                          {"port": 1, "balancerTag": "any"}]},
}  # fmt: skip


@pytest.fixture
def edge() -> Instance:
    return import_new(json.dumps(DOCUMENT), name="edge", node=local_node(), by=None)[0]


def document(instance: Instance) -> Any:
    return export_document(instance, masked=False)


def last_sentences() -> list[str]:
    return [change["text"] for change in AuditEntry.objects.order_by("-id")[0].changes]


def test_a_changed_entry_keeps_its_other_keys_in_their_order(edge: Instance) -> None:
    web = edge.inbounds.get(tag="web")
    changed = change_entry(web, {**web.entry, "port": 8443}, by=None)
    assert changed.port == "8443"
    assert list(document(edge)["inbounds"][0]) == ["port", "protocol", "tag", "later", "settings"]
    assert document(edge)["inbounds"][0]["settings"] == DOCUMENT["inbounds"][0]["settings"]  # type: ignore[index]
    assert last_sentences() == ["port of inbound web 443 -> 8443"]
    assert Instance.objects.get(pk=edge.pk).version == edge.version + 1


def test_what_is_saved_unchanged_leaves_version_and_log_alone(edge: Instance) -> None:
    web = edge.inbounds.get(tag="web")
    lines = AuditEntry.objects.count()
    change_entry(web, web.entry, by=None)
    assert Instance.objects.get(pk=edge.pk).version == edge.version
    assert AuditEntry.objects.count() == lines


def test_masks_are_what_stood_there_also_when_clients_change_places(edge: Instance) -> None:
    web = edge.inbounds.get(tag="web")
    body = {**web.entry, "settings": {"clients": [{"id": MASK, "email": "bob"}, {"id": MASK, "email": "alice", "level": 3}]}}
    change_entry(web, body, by=None)
    assert document(edge)["inbounds"][0]["settings"]["clients"] == [
        {"id": BOB, "email": "bob"}, {"id": ALICE, "email": "alice", "level": 3}]  # fmt: skip
    with pytest.raises(ServiceError) as refused:
        change_entry(web, {**body, "settings": {"clients": [{"id": MASK, "email": "carol"}]}}, by=None)
    assert refused.value.path == "settings.clients[0].id"
    assert web.credentials.count() == 2


def test_a_list_of_clients_replaces_the_enabled_ones_and_keeps_rows_and_counters(edge: Instance) -> None:
    web = edge.inbounds.get(tag="web")
    Credential.objects.filter(email="alice").update(enabled=False)
    Credential.objects.filter(email="bob").update(used_bytes=7)
    clients = [{"id": "new", "email": "carol"}, {"id": BOB, "email": "bob"}]
    change_entry(web, {**web.entry, "settings": {"clients": clients}}, by=None)
    assert [(one.email, one.enabled, one.used_bytes) for one in web.credentials.all()] == [
        ("alice", False, 0), ("carol", True, 0), ("bob", True, 7)]  # fmt: skip
    assert last_sentences() == [
        "settings.decryption of inbound web is removed, was \"none\"", "client carol of inbound web is new"]


def test_a_tag_that_others_name_is_renamed_with_them_or_not_at_all(edge: Instance) -> None:
    direct = edge.outbounds.get(tag="direct")
    renamed = {**direct.entry, "tag": "out"}
    with pytest.raises(WouldBreak) as refused:
        change_entry(direct, renamed, by=None)
    assert [one.text for one in refused.value.references] == [
        "outbound far dials through direct", "rule number 2 goes to direct", "balancer any falls back to direct"]  # fmt: skip
    change_entry(direct, renamed, by=None, on_rename="follow")
    after = document(edge)
    assert after["outbounds"][1]["proxySettings"] == {"tag": "out"}
    assert after["routing"]["rules"][1] == {"outboundTag": "out"}
    assert after["routing"]["balancers"][0]["fallbackTag"] == "out"
    assert RoutingRule.objects.filter(outbound_tag="out").count() == 1


def test_one_tag_is_one_entry_s(edge: Instance) -> None:
    with pytest.raises(TagTaken, match='"home" is taken by another portal'):
        create_entry(edge, Kind.OUTBOUND, {"tag": "home", "protocol": "freedom"}, by=None)
    with pytest.raises(TagTaken):
        change_entry(edge.inbounds.get(tag="ssh"), {"tag": "web", "port": 1, "protocol": "socks"}, by=None)
    assert edge.outbounds.count() == 2


def test_one_port_of_a_node_is_one_inbound_s(edge: Instance) -> None:
    other = create_instance(name="other", node=local_node(), by=None)
    with pytest.raises(PortTaken, match="port 443/tcp is taken by inbound web of edge"):
        create_entry(other, Kind.INBOUND, {"tag": "mine", "port": "440-450", "protocol": "http"}, by=None)
    row = create_entry(other, Kind.INBOUND, {"tag": "mine", "port": 443, "protocol": "http"}, by=None, enabled=False)
    with pytest.raises(PortTaken):
        change_entry(row, row.entry, by=None, enabled=True)


def test_a_new_entry_takes_the_place_that_it_is_given(edge: Instance) -> None:
    create_entry(edge, Kind.RULE, {"port": 9, "outboundTag": "direct"}, by=None, position=1)
    assert [rule.get("port") for rule in document(edge)["routing"]["rules"]] == [None, 9, None, 1]
    row = create_entry(edge, Kind.INBOUND, {"port": 5, "protocol": "vmess", "settings": {"clients": [{"id": ALICE}]}}, by=None)
    assert (row.position, row.credentials.get().entry) == (2, {"id": ALICE})
    assert row.entry["settings"] == {"clients": []}


def test_deleting_what_others_name_says_so_first(edge: Instance) -> None:
    home = edge.portals.get()
    assert [one.text for one in what_would_break([home])] == ["rule number 1 goes to home"]
    with pytest.raises(WouldBreak):
        delete_entries([home], by=None)
    rule = edge.routingrules.get(outbound_tag="home")
    assert delete_entries([home, rule], by=None) == 2
    assert document(edge)["reverse"] == {"portals": []}
    direct = edge.outbounds.get(tag="direct")
    assert delete_entries([direct], by=None, anyway=True) == 1


def test_a_clone_stands_behind_with_a_tag_of_its_own(edge: Instance) -> None:
    clone = clone_entry(edge.inbounds.get(tag="web"), by=None)
    again = clone_entry(edge.inbounds.get(tag="web"), by=None)
    assert [(one.tag, one.enabled) for one in edge.inbounds.all()] == [
        ("web", True), ("web-copy-2", False), ("web-copy", False), ("ssh", True)]  # fmt: skip
    assert (clone.credentials.count(), again.position) == (0, 1)
    assert document(edge)["inbounds"] == DOCUMENT["inbounds"]


def test_nobody_overwrites_a_change_unseen(edge: Instance) -> None:
    web = edge.inbounds.get(tag="web")
    change_rest(edge, {**edge.rest_document, "log": {"loglevel": "debug"}}, by=None, expected_version=edge.version)
    with pytest.raises(VersionConflict):
        change_entry(web, {**web.entry, "port": 1}, by=None, expected_version=edge.version)
    assert last_sentences() == ['log is set to {"loglevel":"debug"}']
