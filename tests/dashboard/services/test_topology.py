from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from dashboard.models import Instance, Node
from dashboard.services.editing import change_entry
from dashboard.services.exposing import Wish, carry_out
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from dashboard.services.publishing import publish
from dashboard.services.topology import Lane, topology
from tests.support.processes import ROOT

PORTAL = (ROOT / "examples" / "portal.json").read_text()
BRIDGE = (ROOT / "examples" / "bridge.json").read_text()
ID = "5783a3e7-e373-51cd-8642-c83782b807c5"
OTHER = "27848739-7e62-4138-9fd3-098a63964b6b"

pytestmark = pytest.mark.django_db


@pytest.fixture
def cellar() -> Node:
    return Node.objects.create(name="cellar")


def new(name: str, text: str, node: Node | None = None) -> Instance:
    return import_new(text, name=name, node=node or local_node(), by=None)[0]


def lane(name: str) -> Lane:
    return next(one for one in topology().lanes if one.name == name)


def exposed(ada: User, name: str = "nas", **more: Any) -> Any:
    values: dict[str, Any] = {
        "target_host": "192.168.1.10", "target_port": 80, "networks": ("tcp",), "node": local_node(), "instance": None,
        "public_port": 8443, "portal_host": "edge.example.net", "carrier": "vless", "carrier_port": 10240, "core": "xrev"}
    return carry_out(Wish(name=name, **{**values, **more}), by=ada)


def test_portal_and_bridge_of_one_domain_are_one_tunnel(cellar: Node) -> None:
    new("edge", PORTAL)
    new("home", BRIDGE, cellar)
    [one] = topology().lanes
    assert one.key == f"{one.place.pk}/portal/portal"
    assert [entry.listen for entry in one.doors] == ["127.0.0.1:8080"]
    assert [(far.place.name, far.place.node_name, far.end.via) for far in one.bridges] == [("home", "cellar", "interconn")]
    assert one.targets == ["127.0.0.1:8081"]


def test_of_two_portals_with_one_domain_the_id_says_which() -> None:
    new("edge", PORTAL)
    new("edge-2", PORTAL.replace(ID, OTHER).replace('"tag": "portal"', '"tag": "second"').replace(
        '"outboundTag": "portal"', '"outboundTag": "second"').replace("8080", "8082").replace("10240", "10241"))
    new("home", BRIDGE.replace(ID, OTHER))
    assert [far.place.name for far in lane("second").bridges] == ["home"]
    assert lane("portal").bridges == []


def test_ends_that_disagree_about_the_domain_still_belong_together() -> None:
    new("edge", PORTAL)
    new("home", BRIDGE.replace("reverse-proxy.xray.internal", "mistyped.internal"))
    [one] = topology().lanes
    assert [far.place.name for far in one.bridges] == ["home"]


def test_a_bridge_of_somebody_elses_portal_has_a_lane_of_its_own() -> None:
    home = new("home", BRIDGE)
    [one] = topology().lanes
    assert one.portal is None
    assert one.key == f"{home.pk}/bridge/bridge"
    assert one.bridges[0].end.address == "127.0.0.1:10240"


@pytest.mark.parametrize(("core", "carrier"), [("xrev", "vmess"), ("xrev", "vless")])
def test_what_the_wizard_made_belongs_together(ada: User, cellar: Node, core: str, carrier: str) -> None:
    service = exposed(ada, core=core, carrier=carrier, far_node=cellar)
    [one] = topology().lanes
    assert (one.service, one.service_name, one.core, one.targets) == (service.pk, "nas", "", ["192.168.1.10:80"])
    assert [far.place.name for far in one.bridges] == ["nas-bridge"]


@pytest.mark.parametrize("core", ["v2ray-4", "xray"])
def test_the_other_side_may_be_a_file_for_another_core(ada: User, core: str) -> None:
    exposed(ada, core=core)
    [one] = topology().lanes
    assert one.bridges == []
    assert one.core
    assert one.targets == ["192.168.1.10:80"]


def test_what_was_published_counts_until_the_next_time() -> None:
    edge = new("edge", PORTAL)
    publish(edge, by=None, accept_warnings=True)
    entry = edge.inbounds.get(tag="external")
    change_entry(entry, {**entry.entry, "port": 9999}, by=None)
    assert [one.listen for one in lane("portal").doors] == ["127.0.0.1:8080"]
    publish(Instance.objects.get(pk=edge.pk), by=None, accept_warnings=True)
    assert [one.listen for one in lane("portal").doors] == ["127.0.0.1:9999"]
    assert lane("portal").portal.doors[0].pk == entry.pk  # type: ignore[union-attr]


def test_it_costs_the_same_for_many_instances(django_assert_max_num_queries: Any) -> None:
    for number in range(6):
        made = new(f"edge-{number}", PORTAL.replace("8080", str(8000 + number)).replace("10240", str(9000 + number)))
        if number % 2:
            publish(made, by=None, accept_warnings=True)
    with django_assert_max_num_queries(11):
        assert len(topology().lanes) == 6
    with django_assert_max_num_queries(2):
        assert len(topology().lanes) == 6


def test_no_secret_is_in_it(ada: User, cellar: Node) -> None:
    new("edge", PORTAL)
    new("home", BRIDGE)
    exposed(ada, far_node=cellar, carrier_port=10250)
    assert ID not in repr(topology())
