from __future__ import annotations

import json
from typing import Any

import pytest

from dashboard.engine import describe
from dashboard.engine.describe import Side
from dashboard.forms.entry_fields import groups_of
from dashboard.forms.entry_form import EntryForm, EntryProblem, entry_form, initial_of
from dashboard.forms.schema_fields import label_of
from proxycore.document.jsonc import parse
from tests.docs.test_examples import blocks

VMESS_OUT: dict[str, Any] = {
    "protocol": "vmess", "tag": "out", "x-mine": 1,
    "settings": {"vnext": [{"address": "192.0.2.1", "port": 443, "users": [{"id": "a-secret", "alterId": 0}]}]},
    "streamSettings": {"network": "websocket", "wsSettings": {"path": "/a"}},
}


def bound(side: Side, entry: dict[str, Any], **changes: Any) -> EntryForm:
    """The form as a browser sends it back, with `changes` typed in."""
    groups = groups_of(side, entry["protocol"], entry)
    initial = initial_of(groups, entry)
    sent = {name: "on" if value is True else value for name, value in initial.items() if value is not False}
    sent |= changes
    return entry_form(groups)({name: value for name, value in sent.items() if value is not None}, initial=initial)


def changed(side: Side, entry: dict[str, Any], **changes: Any) -> dict[str, Any]:
    form = bound(side, entry, **changes)
    assert form.is_valid(), form.errors
    result: dict[str, Any] = form.changed_entry(entry)
    return result


def entries() -> list[tuple[Side, dict[str, Any]]]:
    found: list[tuple[Side, dict[str, Any]]] = []
    for block in blocks():
        document: Any = parse(block.text).value
        found += [("inbound", entry) for entry in document.get("inbounds", [])]
        found += [("outbound", entry) for entry in document.get("outbounds", [])]
    return found


@pytest.mark.parametrize(("side", "entry"), entries())
def test_sending_a_form_back_unchanged_changes_nothing(side: Side, entry: dict[str, Any]) -> None:
    after = changed(side, entry)
    assert json.dumps(after) == json.dumps(entry), "key order too"


def test_every_protocol_has_fields_on_each_of_its_sides() -> None:
    sides: tuple[Side, ...] = ("inbound", "outbound")
    for side in sides:
        for protocol in describe.protocols(side):
            titles = [group.title for group in groups_of(side, protocol.name, {})]
            assert titles[0] == "Basics"
            assert "Settings" in titles, protocol.name


def test_a_change_goes_to_its_place_and_nowhere_else() -> None:
    after = changed("outbound", VMESS_OUT, settings__vnext__0__port="8443", streamSettings__wsSettings__host="cdn.example")
    expected = json.loads(json.dumps(VMESS_OUT))
    expected["settings"]["vnext"][0]["port"] = 8443
    expected["streamSettings"]["wsSettings"]["host"] = "cdn.example"
    assert after == expected


def test_an_emptied_field_takes_its_key_away() -> None:
    after = changed("outbound", VMESS_OUT, streamSettings__wsSettings__path="")
    assert after["streamSettings"] == {"network": "websocket", "wsSettings": {}}


def test_a_default_is_not_written_out() -> None:
    assert changed("outbound", VMESS_OUT, mux__concurrency="0") == VMESS_OUT


def test_a_server_written_flat_stays_flat() -> None:
    flat = {"protocol": "vless", "settings": {"address": "192.0.2.1", "port": 1, "id": "x", "encryption": "none"}}
    names = [field.name for group in groups_of("outbound", "vless", flat) for field in group.fields]
    assert "settings__address" in names
    assert not [name for name in names if "vnext" in name]
    assert changed("outbound", flat, settings__port="2")["settings"]["port"] == 2


def test_lists_ports_switches_and_json_have_their_forms() -> None:
    door = {"protocol": "dokodemo-door", "port": 80, "settings": {}}
    after = changed(
        "inbound", door, port="80,443", settings__network="tcp\nudp\n", settings__portMap='{"80": "a:1"}', sniffing__enabled="on")
    assert after["port"] == "80,443"
    assert after["settings"] == {"network": ["tcp", "udp"], "portMap": {"80": "a:1"}}
    assert after["sniffing"] == {"enabled": True}
    assert changed("inbound", door, port="443")["port"] == 443


def test_what_is_no_json_is_said_on_its_field() -> None:
    form = bound("inbound", {"protocol": "dokodemo-door", "port": 80}, settings__portMap="{80}")
    assert not form.is_valid()
    assert form.errors["settings__portMap"][0].startswith("This is not JSON")


def test_a_newer_name_of_the_network_is_kept() -> None:
    newer = {"protocol": "freedom", "streamSettings": {"method": "raw"}}
    assert changed("outbound", newer, streamSettings__method="ws")["streamSettings"] == {"method": "ws"}


def test_a_word_that_is_not_run_is_shown_and_kept() -> None:
    other = {"protocol": "vmess", "streamSettings": {"network": "grpc"}}
    assert initial_of(groups_of("outbound", "vmess", other), other)["streamSettings__network"] == "grpc"
    assert changed("outbound", other) == other


def test_a_protocol_that_is_not_run_has_the_common_fields() -> None:
    other = {"protocol": "wireguard", "tag": "wg", "settings": {"secretKey": "k"}}
    assert changed("outbound", other, tag="new") == {**other, "tag": "new"}


def test_problems_stand_on_the_nearest_field() -> None:
    form = bound("outbound", VMESS_OUT)
    assert form.is_valid()
    form.place_problems([
        EntryProblem(("settings", "vnext", 0, "users", 0, "id"), "is no UUID"),
        EntryProblem(("streamSettings", "wsSettings", "headers", "X"), "text is expected"),
        EntryProblem(("x-mine",), "is unknown"),
        EntryProblem((), "all of it"),
    ])
    assert form.errors["settings__vnext__0__users__0__id"] == ["is no UUID"]
    assert form.errors["streamSettings__wsSettings__headers"] == ["text is expected"]
    assert form.non_field_errors() == ["x-mine: is unknown", "all of it"]
    assert form.tab_errors()["Settings"] == 1
    assert form.tab_errors()["WebSocket"] == 1


def test_a_secret_is_marked_as_one() -> None:
    form = bound("outbound", VMESS_OUT)
    assert form.fields["settings__vnext__0__users__0__id"].widget.attrs["data-secret"] == "true"
    assert "data-secret" not in form.fields["tag"].widget.attrs


def test_examples_are_there() -> None:
    assert len(entries()) > 20


@pytest.mark.parametrize(("key", "label"), [
    ("heartbeatPeriod", "Heartbeat period"), ("prioritizeIPv6", "Prioritize IPv6"), ("tcpMptcp", "TCP MPTCP"),
    ("pinnedPeerCertSha256", "Pinned peer cert SHA-256"), ("v6only", "V6only")])
def test_labels_are_the_words_of_keys(key: str, label: str) -> None:
    assert label_of(key) == label
