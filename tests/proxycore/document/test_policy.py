"""The `policy` section, and `stats`, as they are read."""

from __future__ import annotations

import json

import pytest

from proxycore.policy import LevelValues, PolicyValues
from tests.proxycore.document.reading import lines_of, read


def test_levels_and_flags_are_read() -> None:
    text = json.dumps({"stats": {}, "policy": {
        "levels": {"0": {"handshake": 4, "connIdle": 300, "uplinkOnly": 0, "downlinkOnly": 5, "bufferSize": -1},
                   "7": {"statsUserUplink": True, "statsUserDownlink": True, "statsUserOnline": True}, "8": None},
        "system": {"statsInboundUplink": True, "statsOutboundDownlink": True}}})
    document = read(text)
    assert document.exports_stats
    assert document.policy == PolicyValues(
        {0: LevelValues(4, 300, 0, 5, -1), 7: LevelValues(counts_uplink=True, counts_downlink=True, counts_online=True)},
        inbound_uplink=True, outbound_downlink=True)


def test_without_the_sections_there_is_no_policy_and_nothing_is_exported() -> None:
    document = read("{}")
    assert document.policy is None
    assert not document.exports_stats


@pytest.mark.parametrize(("policy", "told"), [
    ({"levels": {"-1": {}}}, 'policy.levels.-1'),
    ({"levels": {"one": {}}}, "policy.levels.one"),
    ({"levels": {"4294967296": {}}}, "policy.levels.4294967296"),
    ({"levels": {"0": {"connIdle": -1}}}, "policy.levels.0.connIdle"),
    ({"levels": {"0": {"connIdle": "300"}}}, "policy.levels.0.connIdle"),
    ({"levels": {"0": {"bufferSize": 1.5}}}, "policy.levels.0.bufferSize"),
    ({"levels": {"0": []}}, "policy.levels.0"),
    ({"levels": []}, "policy.levels"),
    ({"system": {"statsInboundUplink": "yes"}}, "policy.system.statsInboundUplink"),
])
def test_what_is_wrong_is_told_at_its_place(policy: object, told: str) -> None:
    [line, *_] = lines_of(json.dumps({"policy": policy}))
    assert told in line
    assert "error" in line


def test_what_is_hardly_meant_is_a_warning() -> None:
    lines = lines_of(json.dumps({"policy": {"levels": {"0": {"connIdle": 0}}}}))
    assert any("every connection of this level ends at once" in line for line in lines)


def test_counters_that_are_asked_for_without_stats_are_told() -> None:
    lines = lines_of(json.dumps({"policy": {"system": {"statsInboundUplink": True}}}))
    assert any("stats" in line for line in lines), lines
