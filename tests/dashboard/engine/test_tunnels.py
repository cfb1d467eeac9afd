from __future__ import annotations

import json
from typing import Any

from dashboard.engine.exposing import Service, expose, new_document
from dashboard.engine.parse import parse_document
from dashboard.engine.tunnels import MAX_ENTRIES, End, tunnel_ends

ID = "27848739-7e62-4138-9fd3-098a63964b6b"


def ends(document: dict[str, Any]) -> list[End]:
    return tunnel_ends(parse_document(json.dumps(document))[0], lambda text: f"<{text[:8]}>")


def rule(target: str, *tags: str, **more: Any) -> dict[str, Any]:
    return {"inboundTag": list(tags), "outboundTag": target, **more}


def door(tag: str, number: int, **settings: Any) -> dict[str, Any]:
    return {"tag": tag, "port": number, "protocol": "dokodemo-door", "settings": settings}


CARRIER = {"tag": "interconn", "port": 1024, "protocol": "vmess", "settings": {"clients": [{"id": ID}]}}


def test_what_leads_to_a_portal_is_an_entry_or_the_way_of_its_bridges() -> None:
    [portal] = ends({
        "reverse": {"portals": [{"tag": "home", "domain": "Home.Internal"}]},
        "inbounds": [door("web", 443, address="127.0.0.1", port=80), CARRIER, {"tag": "other", "port": 5, "protocol": "socks"}],
        "routing": {"rules": [rule("home", "web", domain=["web.example"]), rule("home", "interconn")]},
    })
    assert (portal.side, portal.key, portal.domain) == ("portal", "home", "home.internal")
    assert [(one.key, one.listen, one.rule, one.target) for one in portal.doors] == [
        ("web", ":443", "domain web.example", "127.0.0.1:80")]
    assert [one.key for one in portal.carriers] == ["interconn"]
    assert portal.hashes == {"<27848739>"}


def test_a_rule_for_the_domain_names_the_way_of_bridges_whatever_its_protocol() -> None:
    [portal] = ends({
        "reverse": {"portals": [{"tag": "home", "domain": "home.internal"}]},
        "inbounds": [{"tag": "in", "port": 5, "protocol": "socks"}],
        "routing": {"rules": [rule("home", "in", domain=["full:home.internal"]), rule("home", "in")]},
    })
    assert [one.key for one in portal.carriers] == ["in"]
    assert portal.doors == []


def test_a_rule_without_entries_is_for_all_of_them_and_one_balancer_leads_to_several() -> None:
    one, two = ends({
        "reverse": {"portals": [{"tag": "home-a", "domain": "a"}, {"domain": "b"}]},
        "inbounds": [{"port": 5, "protocol": "socks", "listen": "::1"}],
        "routing": {"balancers": [{"tag": "homes", "selector": ["home"]}], "rules": [{"network": "tcp", "balancerTag": "homes"}]},
    })
    assert [(entry.key, entry.listen, entry.rule) for entry in one.doors] == [("#0", "[::1]:5", "network tcp")]
    assert (two.key, two.doors) == ("#1", [])


def test_a_bridge_knows_its_way_out_and_its_targets() -> None:
    server = {"address": "edge.example.net", "port": 1024, "users": [{"id": ID.upper()}]}
    [bridge] = ends({
        "reverse": {"bridges": [{"tag": "home", "domain": "home.internal"}]},
        "outbounds": [
            {"tag": "out", "protocol": "freedom", "settings": {"redirect": "127.0.0.1:80"}},
            {"tag": "up", "protocol": "vmess", "settings": {"vnext": [server]}},
            {"tag": "any", "protocol": "freedom"},
        ],
        "routing": {"rules": [
            rule("up", "home", domain=["full:home.internal"]), rule("any", "home", port="22"), rule("out", "home"),
            rule("any", "home"),
        ]},
    })
    assert (bridge.side, bridge.via, bridge.address) == ("bridge", "up", "edge.example.net:1024")
    assert bridge.targets == ["", "127.0.0.1:80"]
    assert bridge.hashes == {"<27848739>"}, "however the id is written"


def test_tunnels_of_vless_are_found_by_the_tags_in_clients_and_outbounds() -> None:
    asked = Service(
        name="nas", target_host="::1", target_port=80, networks=("tcp",), public_listen="", public_port=443,
        portal_host="edge", carrier_port=444, carrier="vless", core="xray", user_id=ID, identity=_identity())
    made = expose(asked)
    [portal] = ends(new_document(made))
    [bridge] = ends(made.far)
    assert (portal.key, portal.domain, [one.key for one in portal.doors]) == ("nas", "", ["nas-entry"])
    assert [one.key for one in portal.carriers] == ["nas-carrier"]
    assert (bridge.key, bridge.domain, bridge.address, bridge.targets) == ("nas", "", "edge:444", ["[::1]:80"])
    assert portal.hashes == bridge.hashes != frozenset()


def test_what_is_written_wildly_is_read_as_far_as_it_goes() -> None:
    assert ends({"reverse": {"portals": [{"tag": 5, "domain": None}], "bridges": [{}]}, "routing": {"rules": [
        {"inboundTag": 5, "outboundTag": []}, {"balancerTag": "gone"}]}, "outbounds": [{"settings": {"vnext": 7}}]}) != []
    many = [door(f"d{number}", number) for number in range(1, 200)]
    [portal] = ends({"reverse": {"portals": [{"tag": "p", "domain": "d"}]}, "inbounds": many,
                     "routing": {"rules": [{"outboundTag": "p"}]}})
    assert len(portal.doors) == MAX_ENTRIES


def _identity() -> Any:
    from dashboard.engine.exposing import Identity

    return Identity("nas.xrev.internal", "PEM", "KEY", "00")
