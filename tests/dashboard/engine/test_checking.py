from __future__ import annotations

from typing import Any

import pytest

from dashboard.engine.checking import entry_problems
from dashboard.engine.content import Kind

ID = "5783a3e7-e373-51cd-8642-c83782b807c5"

GOOD: list[tuple[Kind, dict[str, Any]]] = [
    (Kind.INBOUND, {"tag": "in", "port": 443, "protocol": "vmess", "settings": {"clients": []}}),
    (Kind.OUTBOUND, {"tag": "out", "protocol": "freedom", "proxySettings": {"tag": "other"}}),
    (Kind.PORTAL, {"tag": "p", "domain": "p.example"}),
    (Kind.BRIDGE, {"tag": "b", "domain": "p.example"}),
    (Kind.RULE, {"domain": ["a.example"], "outboundTag": "out"}),
    (Kind.RULE, {"port": "1-5", "balancerTag": "any"}),
    (Kind.BALANCER, {"tag": "any", "selector": ["a", "b"], "fallbackTag": "c"}),
    (Kind.BALANCER, {"tag": "any", "selector": ["a"], "strategy": {"type": "leastPing"}}),
]


@pytest.mark.parametrize(("kind", "body"), GOOD)
def test_a_sound_entry_has_no_error_whatever_it_names(kind: Kind, body: dict[str, Any]) -> None:
    assert [one for one in entry_problems(kind, body) if one.severity == "error"] == []


@pytest.mark.parametrize(
    ("kind", "body", "path"),
    [
        (Kind.INBOUND, {"port": 99999, "protocol": "vmess"}, ("port",)),
        (Kind.INBOUND, {"port": 1, "protocol": "later"}, ("protocol",)),
        (Kind.OUTBOUND, {"protocol": "vmess", "settings": {"vnext": [{"address": "a", "port": 0}]}},
         ("settings", "vnext", 0, "port")),
        (Kind.BRIDGE, {"tag": "b"}, ("domain",)),
        (Kind.RULE, {"domain": ["regexp:("], "outboundTag": "x"}, ("domain", 0)),
    ],
)
def test_an_error_has_its_place_inside_the_entry(kind: Kind, body: dict[str, Any], path: tuple[str | int, ...]) -> None:
    errors = [one for one in entry_problems(kind, body) if one.severity == "error"]
    assert path in [one.path for one in errors]


def test_clients_are_looked_at_in_their_place() -> None:
    inbound = {"port": 443, "protocol": "vmess", "settings": {"clients": []}}
    problems = entry_problems(Kind.INBOUND, inbound, [{"id": ID}, {"id": ID, "level": -1}])
    assert problems[0].path == ("settings", "clients", 1, "level")


def test_settings_that_cannot_hold_clients_are_an_error() -> None:
    problem = entry_problems(Kind.INBOUND, {"port": 1, "protocol": "vmess", "settings": 5}, [{"id": ID}])[0]
    assert (problem.path, problem.severity) == (("settings",), "error")
