from __future__ import annotations

import pytest

from dashboard.engine.columns import COLUMNS, credential_columns, hashed_form
from dashboard.engine.content import Kind
from dashboard.engine.parse import UnreadableDocument, parse_document


def problems(text: str) -> list[str]:
    with pytest.raises(UnreadableDocument) as caught:
        parse_document(text, "a.json")
    return [problem.render() for problem in caught.value.problems]


def test_a_tag_that_two_inbounds_have_is_an_error_with_its_place() -> None:
    assert problems('{"inbounds": [\n  {"tag": "web"},\n  {"port": 1, "tag": "web"}\n]}') == [
        'a.json:3:22: error: inbounds[1].tag: the tag "web" is here twice; inbounds[0] on line 2 has it too'
        " (give one of them another tag)"
    ]


def test_outbounds_portals_and_balancers_share_their_tags() -> None:
    text = '{"outbounds": [{"tag": "x"}], "reverse": {"portals": [{"tag": "x"}]}, "routing": {"balancers": [{"tag": "x"}]}}'
    assert [line.split(": ")[2] for line in problems(text)] == ["reverse.portals[0].tag", "routing.balancers[0].tag"]


def test_an_inbound_may_be_called_like_an_outbound() -> None:
    parse_document('{"inbounds": [{"tag": "x"}], "outbounds": [{"tag": "x"}], "reverse": {"bridges": [{"tag": "x"}]}}')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a.json:1:1: error: the document is empty; at least {} is expected"),
        ("[]", "a.json:1:1: error: an object is expected: { ... }"),
        ('{"a": 1,\n "a": 2}', 'a.json:2:2: error: the key "a" is here twice; the first is on line 1'),
        ('{"a": tru}', "a.json:1:7: error: a value was expected, not `tru`"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_what_looks_like_entries_and_is_none_is_told_and_kept() -> None:
    content, kept = parse_document('{"inbounds": [5],\n "outbounds": [{"settings": {}}], "routing": {"rules": {}}}', "a.json")
    assert [problem.render() for problem in kept] == [
        "a.json:1:14: warning: inbounds: is not a list of objects: it is kept as it is, and not shown as entries",
        "a.json:2:56: warning: routing.rules: is not a list of objects: it is kept as it is, and not shown as entries",
    ]
    assert content.rest["inbounds"] == [5]


def test_comments_go_to_the_entry_that_they_are_about() -> None:
    content, _ = parse_document(
        """{
  // about the log
  "log": {},
  "inbounds": [
    // the public one
    { "tag": "web", // seen by all
      "settings": { "clients": [
        // Bob's
        { "id": "x" /* old */ }
        // nobody else
      ] } }
    // no more
  ]
}"""
    )
    inbound = content.entries[Kind.INBOUND][0]
    assert [(one.loc, one.place, one.text) for one in inbound.comments] == [
        ((), "before", "// the public one"),
        (("tag",), "after", "// seen by all"),
        (("settings", "clients"), "end", "// nobody else"),
    ]
    assert [(one.loc, one.place, one.text) for one in inbound.clients[0].comments] == [
        ((), "before", "// Bob's"),
        (("id",), "after", "/* old */"),
    ]
    assert [(one.loc, one.place, one.text) for one in content.comments] == [
        (("log",), "before", "// about the log"),
        (("inbounds",), "end", "// no more"),
    ]


@pytest.mark.parametrize(
    ("kind", "body", "columns"),
    [
        (
            Kind.INBOUND,
            {
                "TAG": "a",
                "protocol": "VLESS",
                "listen": "::1",
                "port": 443,
                "streamSettings": {"network": "ws", "security": "TLS"},
            },
            {"tag": "a", "protocol": "vless", "listen": "::1", "port": "443", "network": "ws", "security": "tls"},
        ),
        (
            Kind.INBOUND,
            {"tag": 5, "protocol": "p" * 65, "listen": "x" * 256, "port": True, "streamSettings": []},
            {"tag": "", "protocol": "", "listen": "", "port": "", "network": "", "security": ""},
        ),
        (
            Kind.OUTBOUND,
            {
                "tag": "a\0",
                "protocol": "vmess",
                "settings": {"vnext": [{"address": "h", "port": 1}]},
                "proxySettings": {"tag": "b"},
            },
            {
                "tag": "",
                "protocol": "vmess",
                "address": "h",
                "port": "1",
                "proxy_tag": "b",
                "reverse_tag": "",
                "network": "",
                "security": "",
            },
        ),
        (
            Kind.OUTBOUND,
            {
                "protocol": "vless",
                "settings": {"address": "h", "port": "env:P", "reverse": {"tag": "r"}},
                "streamSettings": {"sockopt": {"dialerProxy": "c"}, "method": "xhttp", "network": "tcp"},
            },
            {
                "tag": "",
                "protocol": "vless",
                "address": "h",
                "port": "env:P",
                "proxy_tag": "c",
                "reverse_tag": "r",
                "network": "xhttp",
                "security": "",
            },
        ),
        (
            Kind.RULE,
            {"ruleTag": "r", "outboundTag": "o", "balancerTag": "b"},
            {"rule_tag": "r", "outbound_tag": "o", "balancer_tag": "b"},
        ),
        (Kind.PORTAL, {"tag": "p", "domain": "d"}, {"tag": "p", "domain": "d"}),
        (
            Kind.BALANCER,
            {"tag": "b", "strategy": {"type": "leastPing"}, "fallbackTag": "f"},
            {"tag": "b", "strategy": "leastping", "fallback_tag": "f"},
        ),
    ],
)
def test_columns_say_what_an_entry_says(kind: Kind, body: dict[str, object], columns: dict[str, object]) -> None:
    assert COLUMNS[kind](body) == columns


def test_columns_of_a_client() -> None:
    body = {"id": "5783A3E7-E373-51CD-8642-C83782B807C5", "email": "a@b", "level": 1, "flow": "x", "reverse": {"tag": "r"}}
    assert credential_columns(body, lambda secret: f"hash of {secret}") == {
        "email": "a@b",
        "level": 1,
        "flow": "x",
        "reverse_tag": "r",
        "secret_hash": "hash of 5783a3e7e37351cd8642c83782b807c5",
    }
    assert credential_columns({"user": "u", "pass": "P", "level": 2**31}, lambda secret: secret) == {
        "email": "u",
        "level": None,
        "flow": "",
        "reverse_tag": "",
        "secret_hash": "P",
    }


def test_only_ids_are_the_same_in_any_letter_case() -> None:
    assert hashed_form("ABC") == "ABC"
    assert hashed_form("5783A3E7E37351CD8642C83782B807C5") == hashed_form("5783a3e7-e373-51cd-8642-c83782b807c5")
