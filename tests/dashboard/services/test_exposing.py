from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User

from dashboard.engine.exposing import CORES
from dashboard.models import AuditEntry, Inbound, Instance, Node, Revision, Service
from dashboard.services.errors import ServiceError, VersionConflict
from dashboard.services.exporting import export_document
from dashboard.services.exposing import BadWish, Wish, carry_out, plan, suggested_ports, take_down
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from dashboard.services.tokens import create_token
from proxycore.api import check_text

OTHER: dict[str, Any] = {
    "inbounds": [{"tag": "old", "port": 8080, "protocol": "dokodemo-door", "settings": {"address": "127.0.0.1", "port": 1}}],
    "outbounds": [{"tag": "direct", "protocol": "freedom"}],
    "routing": {"rules": [{"type": "field", "inboundTag": ["old"], "outboundTag": "direct"}]},
}


@pytest.fixture
def node(db: None) -> Node:
    return local_node()


@pytest.fixture
def wish(node: Node) -> Wish:
    return Wish(
        name="nas", target_host="192.168.1.10", target_port=80, networks=("tcp",), node=node, instance=None, public_port=8443,
        portal_host="edge.example.net", carrier="vless", carrier_port=10240, core="v2ray-4",
    )


@pytest.fixture
def edge(node: Node) -> Instance:
    return import_new(json.dumps(OTHER), name="edge", node=node, by=None)[0]


def test_a_plan_says_what_will_be_made_and_makes_nothing(wish: Wish) -> None:
    planned = plan(wish)
    assert (planned.near.instance_name, planned.near.is_new, planned.version) == ("nas-portal", True, None)
    told = [change.text for change in planned.near.changes]
    assert "inbound nas-entry is new (dokodemo-door, port 8443)" in " ".join(told)
    assert "portal nas is new (nas.xrev.internal)" in " ".join(told)
    assert "PRIVATE KEY" not in json.dumps([planned.near.document, planned.far.document])
    assert [one for one in (*planned.near.findings, *planned.far.findings) if one.severity == "error"] == []
    assert not Instance.objects.exists()
    assert not Service.objects.exists()


def test_both_sides_are_made_at_once_and_published(wish: Wish, ada: User) -> None:
    service = carry_out(wish, by=ada)
    document = export_document(service.instance, masked=False)
    assert [inbound["port"] for inbound in document["inbounds"]] == [8443, 10240]
    far = json.loads(service.far_document)
    assert far["reverse"]["bridges"] == [{"tag": "nas", "domain": "nas.xrev.internal"}]
    client = document["inbounds"][1]["settings"]["clients"][0]
    assert far["outbounds"][1]["settings"]["vnext"][0]["users"][0]["id"] == client["id"]
    assert json.loads(Revision.objects.get(instance=service.instance).document) == document
    assert check_text(json.dumps(document), "near") == []
    assert AuditEntry.objects.filter(verb="created", object_type="service", object_name="nas").exists()
    assert service.created_by == ada


@pytest.mark.parametrize("core", sorted(CORES))
def test_for_every_core(wish: Wish, ada: User, core: str) -> None:
    service = carry_out(replace(wish, core=core), by=ada)
    assert Revision.objects.filter(instance=service.instance).count() == 1


def test_a_node_of_ours_as_the_far_side(wish: Wish, ada: User) -> None:
    far_node = Node.objects.create(name="cellar")
    service = carry_out(replace(wish, core="xrev", far_node=far_node), by=ada)
    assert service.far_instance is not None
    assert (service.far_instance.name, service.far_instance.node) == ("nas-bridge", far_node)
    assert service.far_instance.role == "bridge"
    assert Revision.objects.filter(instance=service.far_instance).count() == 1


def test_adding_to_an_instance_keeps_what_it_has_and_puts_the_rule_first(wish: Wish, edge: Instance, ada: User) -> None:
    old = Inbound.objects.get(tag="old").pk
    carry_out(replace(wish, instance=edge), by=ada, publishes=False)
    document = export_document(Instance.objects.get(pk=edge.pk), masked=False)
    assert [inbound["tag"] for inbound in document["inbounds"]] == ["old", "nas-entry", "nas-carrier"]
    assert [rule["outboundTag"] for rule in document["routing"]["rules"]] == ["nas", "direct"]
    assert document["outbounds"] == OTHER["outbounds"]
    assert Inbound.objects.get(tag="old").pk == old
    assert not Revision.objects.exists()


def test_an_instance_that_changed_since_the_plan(wish: Wish, edge: Instance, ada: User) -> None:
    with pytest.raises(VersionConflict):
        carry_out(replace(wish, instance=edge), by=ada, expected_version=edge.version + 1)
    assert not Service.objects.exists()


@pytest.mark.parametrize(("change", "field", "words"), [
    ({"name": "Home NAS"}, "name", "small letters"),
    ({"target_host": ""}, "target_host", "needed"),
    ({"target_host": "10.0.0.1:80"}, "target_host", "without a port"),
    ({"portal_host": "http://edge"}, "portal_host", "without a port"),
    ({"public_port": 0}, "public_port", "1 to 65535"),
    ({"carrier_port": 8443}, "carrier_port", "must differ"),
    ({"core": "xray", "carrier": "vmess"}, "carrier", "vless only"),
])
def test_what_does_not_go_together_is_said_at_its_field(wish: Wish, change: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(BadWish) as refused:
        plan(replace(wish, **change))
    assert words in refused.value.problems[field]


def test_a_port_that_is_taken_is_said_with_a_free_one(wish: Wish, edge: Instance) -> None:
    with pytest.raises(BadWish) as refused:
        plan(replace(wish, public_port=8080))
    assert refused.value.problems == {"public_port": "Inbound old of edge listens there. 8081 is free."}
    assert suggested_ports(wish.node) == (8081, 10240)


def test_names_that_are_taken(wish: Wish, edge: Instance, ada: User) -> None:
    carry_out(wish, by=ada)
    with pytest.raises(BadWish, match="Another service has this name"):
        plan(wish)
    edge.inbounds.update(body=json.dumps({**OTHER["inbounds"][0], "tag": "old-entry"}))
    with pytest.raises(BadWish, match="edge has an inbound old-entry already"):
        plan(replace(wish, name="old", instance=edge))


def test_if_it_cannot_be_published_nothing_is_made(wish: Wish, node: Node, ada: User) -> None:
    broken = {"inbounds": [{"tag": "x", "port": 99, "protocol": "nothing-like-it"}]}
    edge = import_new(json.dumps(broken), name="edge", node=node, by=None)[0]
    with pytest.raises(ServiceError, match="it has errors"):
        carry_out(replace(wish, instance=edge), by=ada)
    assert not Service.objects.exists()
    assert list(edge.inbounds.values_list("tag", flat=True)) == ["x"]


def test_taking_it_down_leaves_what_was_there_before(wish: Wish, edge: Instance, ada: User) -> None:
    service = carry_out(replace(wish, instance=edge), by=ada)
    take_down(service, by=ada)
    assert export_document(Instance.objects.get(pk=edge.pk), masked=False) | {"reverse": None} == OTHER | {"reverse": None}
    assert not Service.objects.exists()


def test_taking_down_the_only_service_of_an_instance_removes_it(wish: Wish, ada: User) -> None:
    service = carry_out(replace(wish, core="xrev", far_node=wish.node), by=ada)
    take_down(service, by=ada)
    assert not Instance.objects.exists()


def test_tokens_for_what_is_taken_down_alone_are_revoked(wish: Wish, ada: User) -> None:
    service = carry_out(replace(wish, core="xrev", far_node=Node.objects.create(name="home")), by=ada)
    far, _ = create_token(ada, by=ada, name="far", instances=[service.far_instance])
    near, _ = create_token(ada, by=ada, name="near", instances=[service.instance])
    take_down(service, by=ada)
    for token in (far, near):
        token.refresh_from_db()
        assert not token.is_active
