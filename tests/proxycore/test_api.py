"""The door."""

from __future__ import annotations

from proxycore.api import check_text, describe_protocols, describe_stream_settings


def test_a_text_is_checked_without_raising() -> None:
    assert [problem.render() for problem in check_text('{"log": 5}', "x.json")] == [
        "x.json:1:9: error: log: an object is expected, not a number"
    ]
    assert check_text("{}", "x.json") == []


def test_every_protocol_is_described_by_the_keys_of_its_documents() -> None:
    described = {one.name: one for one in describe_protocols()}
    assert {"blackhole", "dokodemo-door", "freedom", "vmess"} <= set(described)
    tunnel = described["dokodemo-door"]
    assert (tunnel.aliases, tunnel.outbound) == (("tunnel",), None)
    assert tunnel.inbound is not None
    assert {"address", "port", "network", "portMap", "userLevel"} <= set(tunnel.inbound["properties"])
    assert described["vmess"].inbound is not None
    assert described["vmess"].outbound is not None


def test_what_is_refused_is_not_offered() -> None:
    freedom = next(one for one in describe_protocols() if one.name == "freedom")
    assert freedom.outbound is not None
    assert set(freedom.outbound["properties"]) == {
        "redirect", "targetStrategy", "userLevel", "fragment", "noises", "proxyProtocol", "finalRules"}


def test_the_stream_settings_are_described_without_a_warning() -> None:
    schema = describe_stream_settings()
    assert {"security", "wsSettings", "httpupgradeSettings", "tlsSettings", "sockopt", "rawSettings"} <= set(schema["properties"])
    assert schema["$defs"]["SockoptSettings"]["properties"]["tcpUserTimeout"]["minimum"] == 0
