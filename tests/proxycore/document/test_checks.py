"""What shows only when the parts of a document are seen together."""

from __future__ import annotations

import pytest

from tests.proxycore.document.reading import ID, lines_of, read

TUNNEL = '{"tag": "%s", "port": %s, "protocol": "tunnel", "listen": "%s", "settings": {"network": "%s"}}'


def test_an_outbound_and_a_portal_cannot_share_a_tag() -> None:
    text = """{"outbounds": [{"tag": "p", "protocol": "freedom"}, {"tag": "p", "protocol": "block"}],
 "reverse": {"portals": [{"tag": "p", "domain": "x"}]}}"""
    assert lines_of(text) == [
        'a.json:1:61: error: outbounds[1].tag: the tag "p" is already that of another outbound, outbounds[0]',
        'a.json:2:34: error: reverse.portals[0].tag: the tag "p" is already that of another outbound or portal, outbounds[0]',
    ]


def test_empty_tags_may_repeat_but_only_the_first_outbound_is_of_use_without_one() -> None:
    text = '{"outbounds": [{"protocol": "freedom"},\n {"protocol": "block"}]}'
    assert lines_of(text) == [
        "a.json:2:2: warning: outbounds[1]: without a tag no rule can name it, and only the first outbound is the default"
    ]


@pytest.mark.parametrize(
    ("first", "second", "collides"),
    [
        (("80", "127.0.0.1", "tcp"), ("80", "127.0.0.1", "tcp"), True),
        (('"70-90"', "127.0.0.1", "tcp"), ("80", "127.0.0.1", "tcp,udp"), True),
        (("80", "0.0.0.0", "tcp"), ("80", "127.0.0.1", "tcp"), True),
        (("80", "", "tcp"), ("80", "::1", "tcp"), True),
        (("80", "127.0.0.1", "tcp"), ("80", "127.0.0.1", "udp"), False),
        (("80", "127.0.0.1", "tcp"), ("80", "127.0.0.2", "tcp"), False),
        (("80", "0.0.0.0", "tcp"), ("80", "::1", "tcp"), False),
        (("80", "127.0.0.1", "tcp"), ('"81-90"', "127.0.0.1", "tcp"), False),
    ],
)
def test_two_inbounds_cannot_listen_on_the_same_port(
    first: tuple[str, str, str], second: tuple[str, str, str], collides: bool
) -> None:
    lines = lines_of('{{"inbounds": [{}, {}]}}'.format(TUNNEL % ("a", *first), TUNNEL % ("b", *second)))
    expected = "error: inbounds[1].port: inbounds[0] listens on tcp port 80 of the same address already"
    assert [line.split(": ", 1)[1] for line in lines] == ([expected] if collides else [])


def test_a_portal_that_is_the_default_is_noted() -> None:
    text = '{"reverse": {"portals": [{"tag": "p", "domain": "x"}]}}'
    assert lines_of(text) == [
        "a.json:1:26: warning: reverse.portals[0]: there is no outbound, so this portal takes everything that no rule matches "
        "(add an outbound, freedom or blackhole, say)"
    ]
    assert read(text).default_tag == "p"


def test_without_any_outbound_there_is_no_default() -> None:
    assert read("{}").default_tag is None


BRIDGE = f"""{{"reverse": {{"bridges": [{{"tag": "b", "domain": "T.example"}}]}},
"outbounds": [{{"tag": "web", "protocol": "freedom"}},
 {{"tag": "up", "protocol": "vmess", "settings": {{"address": "h", "port": 1, "id": "{ID}"}}}}],
"routing": {{"rules": [%s]}}}}"""


@pytest.mark.parametrize(
    ("rules", "warning"),
    [
        ('{"inboundTag": "b", "domain": "full:t.example", "outboundTag": "up"}, {"inboundTag": "b", "outboundTag": "web"}', None),
        ("", "no rule leads the connections of this bridge to its portal"),
        (
            '{"inboundTag": "b", "port": "1-65535", "outboundTag": "up"}',
            "no rule leads the connections of this bridge to its portal",
        ),
        (
            '{"inboundTag": "b", "network": "udp", "outboundTag": "up"}',
            "no rule leads the connections of this bridge to its portal",
        ),
        (
            '{"inboundTag": "b", "outboundTag": "web"}',
            'routing.rules[0] sends the connections of this bridge to "web", which leads to no portal',
        ),
    ],
)
def test_a_bridge_that_no_rule_leads_to_its_portal_is_noted(rules: str, warning: str | None) -> None:
    lines = lines_of(BRIDGE % rules)
    if warning is None:
        assert lines == []
    else:
        (line,) = lines
        assert line.startswith(f"a.json:1:26: warning: reverse.bridges[0]: {warning}")


def test_a_bridge_with_the_tag_of_an_inbound_is_noted() -> None:
    text = '{"reverse": {"bridges": [{"tag": "b", "domain": "x"}]}, "inbounds": [%s]}' % (TUNNEL % ("b", "1", "", "tcp"))
    assert 'a.json:1:34: warning: reverse.bridges[0].tag: rules cannot tell this bridge from the inbound "b"' in lines_of(text)
