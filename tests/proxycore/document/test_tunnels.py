"""Tags that protocols' settings provide: rules may name them, and they must not be taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxycore.document.load import DocumentError, load_document

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"


def vless_in(*tags: str, port: int = 10250, **settings: Any) -> dict[str, Any]:
    clients = [{"id": f"bridge {number}", "reverse": {"tag": tag}} for number, tag in enumerate(tags)]
    return {"tag": f"in{port}", "port": port, "protocol": "vless",
            "settings": {"decryption": "none", "clients": clients, **settings}}


def vless_out(tag: str) -> dict[str, Any]:
    return {"tag": "out", "protocol": "vless", "settings": {
        "address": "192.0.2.1", "port": 443, "id": UUID, "encryption": "none", "reverse": {"tag": tag}}}


def problems(inbounds: list[Any], outbounds: list[Any], rule: dict[str, Any], **more: Any) -> list[tuple[str, str, str]]:
    text = json.dumps({
        "inbounds": inbounds, "outbounds": [{"tag": "direct", "protocol": "freedom"}, *outbounds],
        "routing": {"rules": [rule]}, **more})
    try:
        found = load_document(text, "x.json").warnings
    except DocumentError as error:
        found = error.problems
    return [(problem.severity, problem.path, problem.message) for problem in found]


def test_a_rule_may_lead_to_a_tunnel_that_clients_open() -> None:
    rule = {"port": "80", "outboundTag": "home"}
    assert problems([vless_in("home", "home"), vless_in("home", port=1)], [], rule) == []
    assert problems([vless_in("other")], [], rule) == [
        ("error", "routing.rules[0].outboundTag", 'there is no outbound or portal "home"')]


def test_a_rule_may_see_what_comes_through_a_tunnel() -> None:
    rule = {"inboundTag": ["r-in"], "outboundTag": "direct"}
    assert problems([], [vless_out("r-in")], rule) == []
    assert [message for _, _, message in problems([], [vless_out("other")], rule)] == ['there is no inbound or bridge "r-in"']


@pytest.mark.parametrize("more", [{}, {"reverse": {"portals": [{"tag": "home", "domain": "a.example"}]}}])
def test_a_tunnel_cannot_have_the_tag_of_an_outbound_or_portal(more: dict[str, Any]) -> None:
    tag = "home" if more else "direct"
    found = problems([vless_in(tag)], [], {"port": "80", "outboundTag": tag}, **more)
    place = "reverse.portals[0]" if more else "outbounds[0]"
    assert ("error", "inbounds[0].settings", f'the tunnel "{tag}" has the tag of {place}') in found


def test_a_tunnel_with_the_tag_of_an_inbound_is_warned_of() -> None:
    found = problems([vless_in("x")], [vless_out("in10250")], {"inboundTag": ["in10250"], "outboundTag": "x"})
    assert found == [("warning", "outbounds[1].settings", 'rules cannot tell this tunnel from the inbound "in10250"')]


def test_cautions_of_settings_are_warnings() -> None:
    clients = [{"id": UUID}, {"id": UUID.replace("51cd", "0000")}]
    [(severity, path, message)] = problems([vless_in(clients=clients)], [], {"port": "80", "outboundTag": "direct"})
    assert (severity, path) == ("warning", "inbounds[0].settings")
    assert "client 0 is never seen" in message


@pytest.mark.parametrize(("change", "path", "reason"), [
    ({"decryption": "mlkem768x25519plus.native.600s.k"}, "inbounds[0].settings.decryption", "not run by this version"),
    ({"clients": [{"id": UUID, "flow": "xtls-rprx-vision"}]}, "inbounds[0].settings.clients[0].flow", "not run by this version"),
    ({"clients": [{"id": UUID, "encryption": "none"}]}, "inbounds[0].settings.clients[0].encryption", "belongs to outbounds"),
    ({"fallbacks": [{"dest": "serve-ws-none"}]}, "inbounds[0].settings.fallbacks[0].dest", "not run by this version"),
    ({"fallbacks": [{"dest": 80, "xver": 3}]}, "inbounds[0].settings.fallbacks[0].xver", "must be at most 2"),
])
def test_what_is_not_run_is_refused_at_its_place(change: dict[str, Any], path: str, reason: str) -> None:
    [(severity, at, message)] = problems([vless_in(**change)], [], {"port": "80", "outboundTag": "direct"})
    assert (severity, at) == ("error", path)
    assert reason in message
