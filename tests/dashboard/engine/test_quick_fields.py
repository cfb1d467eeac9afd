"""The values of entries that are changed most."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.engine.content import Kind
from dashboard.engine.quick_fields import BadValue, quick_fields, with_values

INBOUND, OUTBOUND = Kind.INBOUND, Kind.OUTBOUND


@pytest.mark.parametrize(("kind", "body", "values", "changed"), [
    (INBOUND, {"port": 80}, {"port": "8080", "listen": "127.0.0.1"}, {"port": 8080, "listen": "127.0.0.1"}),
    (INBOUND, {"Port": "80-90", "listen": "::"}, {"port": "80,90", "listen": ""}, {"Port": "80,90"}),
    (INBOUND, {"listen": "/run/x.sock"}, {"listen": "/run/y.sock"}, {"listen": "/run/y.sock"}),
    (INBOUND, {"port": 1, "protocol": "tunnel", "settings": {"rewriteAddress": "a", "x": 1}}, {"to": "b", "to_port": "81"},
     {"port": 1, "protocol": "tunnel", "settings": {"rewriteAddress": "b", "x": 1, "port": 81}}),
    (OUTBOUND, {"protocol": "freedom"}, {"redirect": "10.0.0.1:80"},
     {"protocol": "freedom", "settings": {"redirect": "10.0.0.1:80"}}),
    (OUTBOUND, {"protocol": "vmess", "settings": {"vnext": [{"address": "a", "port": 1, "users": [{"id": "x"}]}]}},
     {"address": "b", "server_port": "2"},
     {"protocol": "vmess", "settings": {"vnext": [{"address": "b", "port": 2, "users": [{"id": "x"}]}]}}),
    (OUTBOUND, {"protocol": "vless", "settings": {"address": "a", "port": 1, "id": "x"}}, {"server_port": "2"},
     {"protocol": "vless", "settings": {"address": "a", "port": 2, "id": "x"}}),
])
def test_a_value_is_written_where_it_stands(kind: Kind, body: Any, values: Any, changed: Any) -> None:
    before = repr(body)
    assert with_values(quick_fields(kind, body), body, values) == changed
    assert repr(body) == before


@pytest.mark.parametrize(("kind", "body"), [
    (INBOUND, {}), (INBOUND, {"port": {"a": 1}, "listen": 7, "settings": [], "protocol": "dokodemo-door"}),
    (OUTBOUND, {"protocol": "vmess", "settings": {"vnext": [7]}}), (OUTBOUND, {"protocol": "vmess", "settings": {"vnext": []}}),
    (OUTBOUND, {"settings": "x", "protocol": 5}), (Kind.RULE, {"port": 1}), (Kind.PORTAL, {}),
])
def test_what_is_odd_stays_as_it_is(kind: Kind, body: Any) -> None:
    assert with_values(quick_fields(kind, body), body, {}) == body


@pytest.mark.parametrize(("name", "value"), [
    ("port", "0"), ("port", "65536"), ("port", ""), ("port", "a"), ("port", "²"), ("listen", "a b"), ("listen", "x" * 256),
])
def test_what_is_no_value_names_its_field(name: str, value: str) -> None:
    body = {"port": 80, "listen": "127.0.0.1"}
    with pytest.raises(BadValue) as raised:
        with_values(quick_fields(INBOUND, body), body, {name: value})
    assert raised.value.name == name
