"""The `routing` section."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxycore.document.load import DocumentError, load_texts
from proxycore.routing.seen import AttributesCondition, LocalOsCondition, ProtocolCondition, VlessRouteCondition
from tests.proxycore.document.reading import lines_of, read
from tests.proxycore.routing.requests import request
from tests.support.dat_files import geosite


def document(rules: str, routing: str = "") -> str:
    return f'{{"routing": {{{routing}"rules": [{rules}]}}, "outbounds": [{{"tag": "d", "protocol": "freedom"}}]}}'


@pytest.mark.parametrize(
    ("rule", "path", "message"),
    [
        ('{"domain": ["a", "geosite:"]}', "domain[1]", "`geosite:` must name a list"),
        ('{"domain": "a,ext:f"}', "domain", "`ext:file:code` is expected"),
        ('{"domain": ["fulll:a"]}', "domain[0]", "`fulll:` is no kind of domain entry; did you mean `full:`?"),
        (
            '{"domain": ["regexp:("]}',
            "domain[0]",
            "the pattern does not compile: missing ): (",
        ),
        ('{"domain": [""]}', "domain[0]", "the entry is empty"),
        ('{"domain": "a, b"}', "domain", "the entry has blanks around it, which Xray takes for a part of it"),
        ('{"domain": 5}', "domain", "a list, or text with commas, is expected"),
        ('{"ip": ["geoip:!"]}', "ip[0]", "`geoip:` must name a list"),
        ('{"ip": ["10.0.0.0/33"]}', "ip[0]", "the prefix length must be a number from 0 to 32"),
        ('{"source": ["x"]}', "source[0]", "an IP address or a CIDR block such as 10.0.0.0/8 is expected"),
        ('{"port": 70000}', "port", "a port must be from 0 to 65535"),
        ('{"network": "tpc"}', "network", '"tpc" is no network; did you mean "tcp"?'),
        ('{"user": ["regexp:["]}', "user[0]", "the pattern does not compile: missing ]: ["),
        ('{"port": 1, "type": "chinaip"}', "type", 'the only kind of rule is "field"'),
        ('{"protocol": [""]}', "protocol[0]", "the entry is empty"),
        (
            """{"attrs": "attrs[':method'] == 'GET'"}""",
            "attrs",
            "the text of V2Ray is not read; write an object of names and patterns, as Xray has it",
        ),
        ('{"attrs": {":path": 5}}', "attrs", "an object of names and patterns is expected"),
        (
            '{"attrs": {":path": "("}}',
            "attrs",
            '":path": the pattern does not compile: missing ): (',
        ),
        ('{"vlessRoute": "65536"}', "vlessRoute", "a port must be from 0 to 65535"),
        ('{"port": 1, "process": [""]}', "process[0]", "the entry is empty"),
        ('{"port": 1, "webhook": {"url": "x"}}', "webhook", "is known to Xray, not run by this version"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_at_its_entry(rule: str, path: str, message: str) -> None:
    lines = lines_of(document(rule.replace("{", '{"outboundTag": "d", ', 1)))
    assert [line.split(": ", 1)[1] for line in lines] == [f"error: routing.rules[0].{path}: {message}"]


def test_an_entry_of_the_text_form_is_placed_at_the_text() -> None:
    assert lines_of(document('{"outboundTag": "d", "domain": "a,geosite:"}'))[0].startswith("a.json:1:55: error: ")


def test_a_rule_needs_a_matcher_and_an_outbound() -> None:
    assert lines_of(document('{"outboundTag": "d", "domain": []},\n{"port": 1}')) == [
        "a.json:1:24: error: routing.rules[0]: the rule has no matcher, so it would say nothing "
        "(give at least one, inboundTag or domain, say)",
        "a.json:2:1: error: routing.rules[1].outboundTag: is required: where the rule leads",
    ]


def test_an_unknown_outbound_is_told_also_where_the_rule_has_other_mistakes() -> None:
    assert lines_of(document('{"outboundTag": "dd", "port": -1}')) == [
        'a.json:1:40: error: routing.rules[0].outboundTag: there is no outbound or portal "dd" (did you mean "d"?)',
        "a.json:1:54: error: routing.rules[0].port: a port must be from 0 to 65535",
    ]


def test_rule_tags_are_labels_and_differ() -> None:
    rule = '{"ruleTag": "x", "outboundTag": "d", "port": 1}'
    assert read(document(rule + ',{"outboundTag": "d", "port": 2}')).rules[0].label == "x"
    assert read(document('{"outboundTag": "d", "port": 2}')).rules[0].label == "routing.rules[0]"
    assert lines_of(document(f"{rule},\n{rule}")) == [
        'a.json:2:13: error: routing.rules[1].ruleTag: rule 0 has the ruleTag "x" already'
    ]


def test_where_two_names_of_a_matcher_are_given_the_one_of_xray_counts() -> None:
    text = document('{"outboundTag": "d", "source": "10.0.0.1", "sourceIP": "10.0.0.2", "domain": ["x"], "domains": ["y"]}')
    assert [line.split(": ", 1)[1] for line in lines_of(text)] == [
        'warning: routing.rules[0].source: "sourceIP" is given too and counts instead',
        'warning: routing.rules[0].domain: "domains" is given too and counts instead',
    ]


def test_the_strategy_is_what_the_router_works_by() -> None:
    by_ip = document('{"outboundTag": "d", "ip": "10.0.0.1"}', '"domainStrategy": "ipOnDemand", ')
    assert lines_of(by_ip) == []
    assert read(by_ip).router().strategy == "IPOnDemand"
    assert read(document("")).router().strategy == "AsIs"
    assert lines_of(document("", '"domainStrategy": "AsIs", "domainMatcher": "hybrid", ')) == []


def test_a_strategy_without_rules_for_addresses_is_noted() -> None:
    by_port = document('{"outboundTag": "d", "port": 1}', '"domainStrategy": "IPIfNonMatch", ')
    assert lines_of(by_port) == ["a.json:1:32: warning: routing.domainStrategy: has no effect: no rule has an ip matcher"]


def test_matchers_of_what_was_seen_are_read() -> None:
    rule = '{"outboundTag": "d", "protocol": "http,tls", "attrs": {":Path": "^/a"}, "vlessRoute": "1-5", "localOS": ["Linux"]}'
    system, protocol, route, attributes = read(document(rule)).rules[0].conditions
    assert isinstance(system, LocalOsCondition)
    assert system.names == ("Linux",)
    assert isinstance(protocol, ProtocolCondition)
    assert protocol.prefixes == ("http", "tls")
    assert isinstance(route, VlessRouteCondition)
    assert isinstance(attributes, AttributesCondition)
    assert list(attributes.patterns) == [":path"]


def test_lists_are_read_from_the_folder_that_the_environment_names(tmp_path: Path) -> None:
    (tmp_path / "geosite.dat").write_bytes(geosite({"ADS": ["domain:ads.example"]}))
    rules = '{"outboundTag": "d", "domain": ["geosite:ads", "geosite:adz"]}, {"outboundTag": "d", "ip": "geoip:!private"}'
    environ = {"XRAY_LOCATION_ASSET": str(tmp_path)}
    with pytest.raises(DocumentError) as caught:
        load_texts([("a.json", document(rules))], environ=environ)
    message = f'routing.rules[0].domain[1]: {tmp_path}/geosite.dat has no list "adz"; near to it are ads'
    assert [problem.render() for problem in caught.value.problems] == [f"a.json:1:71: error: {message}"]
    router = load_texts([("a.json", document(rules.replace(', "geosite:adz"', "")))], environ=environ).document.router()
    assert router.explain(request("x.ads.example"))[-1].why == (
        "the domain x.ads.example fits geosite:ads (domain:ads.example): goes to d"
    )
    assert router.first_match(request("8.8.8.8")) is router.rules[1]
    assert router.first_match(request("10.0.0.1")) is None
