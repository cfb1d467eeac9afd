from __future__ import annotations

import json
from typing import Any

import pytest

from dashboard.models import Instance
from dashboard.services.errors import ServiceError
from dashboard.services.explaining import Question, explain
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node

pytestmark = pytest.mark.django_db

DOCUMENT: dict[str, Any] = {
    "inbounds": [{"tag": "in", "port": 1080, "protocol": "socks"}],
    "outbounds": [{"tag": "direct", "protocol": "freedom"}, {"tag": "ads", "protocol": "blackhole"}],
    "routing": {
        "domainStrategy": "IPIfNonMatch",
        "rules": [
            {"ruleTag": "no-ads", "domain": ["keyword:ads"], "outboundTag": "ads"},
            {"ip": ["10.0.0.0/8"], "outboundTag": "ads"},
        ],
    },
}


@pytest.fixture
def edge() -> Instance:
    return import_new(json.dumps(DOCUMENT), name="edge", node=local_node(), by=None)[0]


def test_the_rule_that_decides_and_those_before_it(edge: Instance) -> None:
    told = explain(edge, Question("10.1.2.3", 80, inbound_tag="in"))
    first, second = edge.routingrules.all()
    assert told.target == "ads"
    assert [(rule.pk, rule.matched) for rule in told.rules] == [(first.pk, False), (second.pk, True)]
    assert told.rules[0].name == "no-ads"
    assert "10.1.2.3" in told.rules[1].reason


def test_the_first_outbound_when_no_rule_fits(edge: Instance) -> None:
    told = explain(edge, Question("9.9.9.9", 80))
    assert (told.target, told.rules[-1].pk) == ("direct", None)


def test_a_name_that_would_be_looked_up_can_be_given_its_addresses(edge: Instance) -> None:
    waiting = explain(edge, Question("far.example", 80))
    assert waiting.target is None
    assert "far.example is looked up" in waiting.why
    assert explain(edge, Question("far.example", 80, resolved=("10.0.0.7",))).target == "ads"


def test_rules_that_are_disabled_do_not_count(edge: Instance) -> None:
    edge.routingrules.filter(position=0).update(enabled=False)
    told = explain(edge, Question("10.1.2.3", 80))
    assert [rule.pk for rule in told.rules] == [edge.routingrules.get(position=1).pk]


def test_what_does_not_run_and_what_is_no_address_is_said(edge: Instance) -> None:
    with pytest.raises(ServiceError, match="nowhere"):
        explain(edge, Question("a.example", 80, source="nowhere"))
    edge.outbounds.filter(tag="ads").update(body='{"tag":"ads","protocol":"later"}')
    with pytest.raises(ServiceError) as refused:
        explain(edge, Question("a.example", 80))
    assert refused.value.path == "outbounds[1].protocol"
