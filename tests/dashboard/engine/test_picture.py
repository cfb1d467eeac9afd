from __future__ import annotations

import json
from typing import Any

from dashboard.engine.parse import parse_document
from dashboard.engine.picture import MAX_LANES, Picture, picture

DOCUMENT: dict[str, Any] = {
    "inbounds": [
        {"tag": "web", "port": 80, "protocol": "dokodemo-door"},
        {"tag": "in", "port": 1024, "protocol": "vless", "settings": {"clients": [{"id": "x", "reverse": {"tag": "far"}}]}},
    ],
    "outbounds": [{"tag": "direct", "protocol": "freedom"}],
    "reverse": {"portals": [{"tag": "portal", "domain": "a.internal"}], "bridges": [{"tag": "bridge", "domain": "b.internal"}]},
    "routing": {
        "balancers": [{"tag": "best", "selector": ["d"]}],
        "rules": [
            {"inboundTag": ["web"], "outboundTag": "portal"},
            {"inboundTag": "bridge", "domain": ["a", "b", "c", "d"], "port": "80,443", "outboundTag": "direct"},
            {"ruleTag": "spread", "network": "tcp", "balancerTag": "best"},
            {"inboundTag": ["gone"], "outboundTag": "nowhere"},
            {"outboundTag": "far"},
            {"domain": ["x"]},
        ],
    },
}


def drawn(document: dict[str, Any]) -> Picture:
    return picture(parse_document(json.dumps(document))[0])


def test_each_rule_is_a_lane_from_its_entries_to_its_target() -> None:
    lanes = drawn(DOCUMENT).lanes
    told = [([chip.title for chip in lane.entries], lane.conditions, lane.target.sort, lane.target.title) for lane in lanes]
    assert told == [
        (["web"], [], "tunnel", "portal"),
        (["bridge"], ["domain a, b, c and 1 more", "port 80, 443"], "exit", "direct"),
        (["any entry"], ["network tcp"], "balancer", "best"),
        (["gone"], [], "lost", "nowhere"),
        (["any entry"], [], "tunnel", "far"),
        (["any entry"], ["domain x"], "lost", "nowhere"),
    ]
    assert [lane.name for lane in lanes][:3] == ["rule 1", "rule 2", "spread"]
    assert lanes[3].entries[0].note == "no such inbound or bridge"


def test_what_manages_other_cores_is_said_to_be_closed() -> None:
    """An outbound of that tag comes first."""
    rules = [{"inboundTag": ["web"], "outboundTag": tag} for tag in ("api", "metrics_out", "direct")]
    document = DOCUMENT | {"api": {"tag": "api"}, "metrics": {"tag": "metrics_out"}, "routing": {"rules": rules}}
    told = [(lane.target.sort, lane.target.note) for lane in drawn(document).lanes]
    assert told == [("any", "not run here: it is closed")] * 2 + [("exit", "freedom")]
    taken = drawn(document | {"api": {"tag": "direct"}, "metrics": 7})
    assert [lane.target.sort for lane in taken.lanes] == ["lost", "lost", "exit"]


def test_what_no_rule_takes_goes_to_the_first_outbound() -> None:
    assert drawn(DOCUMENT).default.title == "direct"
    assert drawn({}).default.note == "there is no outbound"


def test_what_is_off_is_not_drawn() -> None:
    content = parse_document(json.dumps(DOCUMENT))[0]
    for entries in content.entries.values():
        for entry in entries:
            entry.enabled = False
    assert picture(content).lanes == []
    assert picture(content).default.title == "ends"


def test_thousands_of_rules_are_counted() -> None:
    rules = [{"outboundTag": "direct"}] * (MAX_LANES + 3)
    assert drawn({"routing": {"rules": rules}}).hidden == 3
