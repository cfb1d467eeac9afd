"""`routing.balancers`, and the rules, outbounds and observatories that belong to them."""

from __future__ import annotations

import pytest

from proxycore.balancing.balancer import BalancerPlan
from proxycore.balancing.costs import Cost
from proxycore.balancing.least_load import LeastLoadSettings
from proxycore.routing.patterns import Pattern
from tests.proxycore.document.reading import ID, lines_of, read

OUTBOUNDS = '"outbounds": [{"tag": "d", "protocol": "freedom"}, {"tag": "a1", "protocol": "freedom"}]'
OBSERVATORY = ', "observatory": {"subjectSelector": ["a"]}'


def document(balancers: str, rules: str = '{"port": 1, "balancerTag": "b"}', more: str = "") -> str:
    return f'{{"routing": {{"balancers": [{balancers}],\n"rules": [{rules}]}}, {OUTBOUNDS}{more}}}'


def messages(text: str) -> list[str]:
    """Without file, line and column."""
    return [line.split(": ", 1)[1] for line in lines_of(text)]


def plan_of(balancer: str, more: str = OBSERVATORY) -> BalancerPlan:
    return read(document(balancer, more=more)).balancers[0]


def test_a_balancer_is_read_with_its_defaults() -> None:
    assert lines_of(document('{"tag": "b", "selector": ["a"]}')) == []
    assert plan_of('{"tag": "b", "selector": "a,d"}') == BalancerPlan("routing.balancers[0]", "b", ("a", "d"))


def test_a_rule_leads_to_the_balancer_unless_it_names_an_outbound_too() -> None:
    balancer = '{"tag": "b", "selector": ["a"]}'
    assert read(document(balancer)).rules[0].balancer_tag == "b"
    both = document(balancer, '{"port": 1, "balancerTag": "nowhere", "outboundTag": "d"}')
    assert messages(both) == [
        "warning: routing.rules[0].balancerTag: has no effect: outboundTag is given too and counts instead"]
    rule = read(both).rules[0]
    assert (rule.outbound_tag, rule.balancer_tag) == ("d", "")


@pytest.mark.parametrize(
    ("written", "strategy"),
    [("", "random"), ("random", "random"), ("ROUNDROBIN", "roundRobin"), ("leastPing", "leastPing"), ("leastload", "leastLoad")],
)
def test_strategies_are_named_in_any_letter_case(written: str, strategy: str) -> None:
    assert plan_of(f'{{"tag": "b", "selector": ["a"], "strategy": {{"type": "{written}"}}}}').strategy == strategy


def test_the_settings_of_least_load_are_read_and_brought_into_range() -> None:
    settings = """{"expected": 2, "maxRTT": "1s", "tolerance": 0.25, "baselines": ["0s", "300ms", "1s"],
        "costs": [{"regexp": true, "match": "^a[0-9]+", "value": 4}, {"match": "slow"}]}"""
    plan = plan_of(f'{{"tag": "b", "selector": ["a"], "strategy": {{"type": "leastLoad", "settings": {settings}}}}}')
    assert plan.least_load == LeastLoadSettings(
        2, 1_000_000_000, 0.25, (300_000_000, 1_000_000_000),
        (Cost("^a[0-9]+", Pattern("^a[0-9]+"), 4.0), Cost("slow", None, 0.0)))
    outside = '{"expected": -1, "maxRTT": "-1s", "tolerance": 7}'
    plan = plan_of(f'{{"tag": "b", "selector": ["a"], "strategy": {{"type": "leastLoad", "settings": {outside}}}}}')
    assert plan.least_load == LeastLoadSettings(tolerance=1.0)


@pytest.mark.parametrize(
    ("balancer", "message"),
    [
        ('{"selector": ["a"]}', "tag: is required"),
        ('{"tag": "", "selector": ["a"]}', "tag: must not be empty"),
        ('{"tag": "b"}', "selector: is required"),
        ('{"tag": "b", "selector": []}', "selector: the beginning of at least one outbound's tag is needed"),
        ('{"tag": "b", "selector": [1]}', "selector[0]: the beginning of a tag is expected, as text"),
        ('{"tag": "b", "selector": "a, d"}', "selector: the entry has blanks around it, which Xray takes for a part of it"),
        (
            '{"tag": "b", "selector": ["a"], "strategy": {"type": "leastPin"}}',
            'strategy.type: "leastPin" is not one of random, roundrobin, leastping, leastload; did you mean "leastping"?',
        ),
        ('{"tag": "b", "selector": ["a"], "strategy": "random"}', "strategy: an object is expected, not text"),
        (
            '{"tag": "b", "selector": ["a"], "strategy": {"type": "leastLoad", "settings": {"maxRTT": 5}}}',
            'strategy.settings.maxRTT: a duration as text is expected, such as "10s" or "1m30s"',
        ),
        (
            '{"tag": "b", "selector": ["a"], "strategy": {"type": "leastLoad", "settings": {"baselines": ["5"]}}}',
            'strategy.settings.baselines[0]: "5" is no duration; write one such as "10s", "1m30s" or "500ms"',
        ),
        (
            '{"tag": "b", "selector": ["a"], "strategy": {"type": "leastLoad", '
            '"settings": {"costs": [{"regexp": true, "match": "("}]}}}',
            "strategy.settings.costs[0]: the pattern does not compile: missing ): (",
        ),
        ('{"tag": "b", "selector": ["a"], "fallbackTag": "aa1"}',
         'fallbackTag: there is no outbound or portal "aa1" (did you mean "a1"?)'),
    ],
)
def test_what_is_wrong_with_a_balancer_is_told_at_its_place(balancer: str, message: str) -> None:
    assert messages(document(balancer, more=OBSERVATORY, rules="")) == [f"error: routing.balancers[0].{message}"]


def test_a_balancer_tag_that_does_not_exist_is_an_error_with_a_hint() -> None:
    text = document('{"tag": "first", "selector": ["a"]}', '{"port": 1, "balancerTag": "frist"}')
    assert lines_of(text) == [
        'a.json:2:38: error: routing.rules[0].balancerTag: there is no balancer "frist" (did you mean "first"?)']


def test_two_balancers_do_not_share_a_tag() -> None:
    one = '{"tag": "b", "selector": ["a"]}'
    assert messages(document(f"{one}, {one}")) == [
        'error: routing.balancers[1].tag: the tag "b" is already that of another balancer, routing.balancers[0]']


def test_a_selector_that_fits_nothing_is_noted() -> None:
    place = "warning: routing.balancers[0].selector: no outbound's tag begins so"
    hint = "(the beginning of a tag, in its letter case)"
    assert messages(document('{"tag": "b", "selector": ["A"]}')) == [
        f"{place}, so what it gets goes to the default outbound {hint}"]
    assert messages(document('{"tag": "b", "selector": ["A"], "fallbackTag": "d"}')) == [
        f"{place}, so it always takes its fallbackTag {hint}"]


def test_portals_and_tunnels_are_selected_like_outbounds() -> None:
    text = document(
        '{"tag": "b", "selector": ["home"], "fallbackTag": "home2"}',
        more=f''', "reverse": {{"portals": [{{"tag": "home1", "domain": "x"}}]}}, "inbounds": [{{"port": 1, "protocol": "vless",
        "settings": {{"decryption": "none", "clients": [{{"id": "{ID}", "reverse": {{"tag": "home2"}}}}]}}}}]''')
    assert messages(text) == []


def test_other_strategies_take_no_settings() -> None:
    text = document('{"tag": "b", "selector": ["a"], "strategy": {"type": "random", "settings": {"expected": 2}}}')
    assert messages(text) == ["warning: routing.balancers[0].strategy.settings.expected: unknown key, it is ignored"]


@pytest.mark.parametrize("strategy", ["leastPing", "leastLoad"])
def test_what_chooses_by_measurements_needs_an_observatory(strategy: str) -> None:
    balancer = f'{{"tag": "b", "selector": ["a"], "strategy": {{"type": "{strategy}"}}}}'
    assert messages(document(balancer)) == [
        f"error: routing.balancers[0].strategy.type: {strategy} chooses by what an observatory has measured, and there is none "
        "(add an observatory whose subjectSelector selects the balancer's outbounds)"]
    assert messages(document(balancer, more=OBSERVATORY)) == []
    assert messages(document(balancer, more=', "observatory": {"subjectSelector": ["d"]}')) == [
        f"warning: routing.balancers[0].strategy.type: none of the balancer's outbounds is observed, so {strategy} never "
        "chooses one (select them in subjectSelector too)"]


def test_a_bridge_that_a_balancer_may_send_astray_is_noted() -> None:
    text = document(
        '{"tag": "b", "selector": ["a"]}', '{"inboundTag": ["bridge"], "balancerTag": "b"}',
        ', "reverse": {"bridges": [{"tag": "bridge", "domain": "x.internal"}]}')
    assert messages(text) == [
        'warning: reverse.bridges[0]: routing.rules[0] sends the connections of this bridge to "a1", which leads to no portal '
        "(put a rule with the bridge's inboundTag and domain before it)"]
