"""Import followed by export gives the same document: equal as JSON, keys in the same order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.engine.compile import CannotCompile, compile_document, compile_with_comments
from dashboard.engine.content import Content, Entry, Kind
from dashboard.engine.diff import diff_contents
from dashboard.engine.parse import UnreadableDocument, parse_document
from proxycore.api import comments_of, parse

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(r"^```json[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documented() -> list[str]:
    """Every document of the documentation and of the examples."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "examples").glob("*.json"))]
    for page in sorted((ROOT / "docs").rglob("*.md")):
        texts += [
            match[1] for match in BLOCK.finditer(page.read_text(encoding="utf-8")) if match[1].lstrip().startswith(("{", "/"))
        ]
    return texts


def exact(value: object) -> str:
    """Equal texts are equal documents: 1, 1.0 and true differ, and so does the order of keys."""
    return json.dumps(value)


def assert_round_trip(text: str) -> Content:
    parsed = parse(text)
    content, _ = parse_document(text)
    assert exact(compile_document(content)) == exact(parsed.value)
    written = compile_with_comments(content)
    assert exact(parse(written).value) == exact(parsed.value)
    assert comments_of(written, parse(written)) == comments_of(text, parsed)
    assert diff_contents(content, parse_document(text)[0]) == []
    return content


@pytest.mark.parametrize("text", [pytest.param(text, id=f"document-{number}") for number, text in enumerate(documented())])
def test_documents_of_our_documentation(text: str) -> None:
    assert_round_trip(text)


BOTH_GENERATIONS = """{
  "log": { "loglevel": "warning" },
  "reverse": { "bridges": [ { "tag": "bridge", "domain": "reverse.example" } ] },
  "outbounds": [
    { "tag": "out", "protocol": "freedom", "settings": { "redirect": "127.0.0.1:80" } },
    { "tag": "tunnel", "protocol": "vmess", "settings": { "vnext": [ { "address": "192.0.2.1", "port": 1024,
      "users": [ { "id": "27848739-7e62-4138-9fd3-098a63964b6b", "alterId": 0, "security": "auto" } ] } ] } }
  ],
  "routing": { "rules": [
    { "type": "field", "inboundTag": [ "bridge" ], "domain": [ "full:reverse.example" ], "outboundTag": "tunnel" },
    { "type": "field", "inboundTag": [ "bridge" ], "outboundTag": "out" } ] }
}"""


def test_a_document_of_both_generations_of_cores() -> None:
    content = assert_round_trip(BOTH_GENERATIONS)
    assert [len(content.entries[kind]) for kind in Kind] == [0, 2, 0, 1, 2, 0]
    assert content.rest == {"log": {"loglevel": "warning"}, "reverse": {"bridges": []}, "outbounds": [], "routing": {"rules": []}}


HOSTILE = [
    "{}",
    '{"inbounds": null, "outbounds": {}, "routing": [], "reverse": 5}',
    '{"inbounds": [null, {"tag": "a"}], "outbounds": [[]], "routing": {"rules": ["x", {}]}}',
    '{"inbounds": [{"settings": {"clients": [1, {"id": "x"}]}}, {"settings": {"clients": {"id": "x"}}}, {"settings": []}]}',
    '{"Inbounds": [{"Tag": "a"}], "inbounds": [{"tag": "b"}], "INBOUNDS": 7}',
    '{"INBOUNDS": [{"SETTINGS": {"Clients": [{"Id": "x"}]}}], "Routing": {"Rules": [{}], "rules": []}}',
    '{"inbounds": [{"settings": {"clients": [], "users": [{"id": "a"}]}}, {"settings": {"clients": null, "accounts": [{}]}}]}',
    '{"outbounds": [{"tag": 5}, {"tag": 5}, {"tag": ""}, {"tag": ""}, {"tag": null}, {}]}',
    '{"policy": {"levels": {"0": {"bufferSize": 123456789012345678901234567890, "x": 0.1, "y": 1e300, "z": -0.0, "w": 5e-324}}}}',
    '{"inbounds": [{"port": 99999999999999999999999999999999, "tag": "\\u0000", "listen": "\\u0000"}]}',
    '{"": {"": [{"": null}]}, "a.b": 1, "\\"": 2, "\\ud83d\\ude00": "\\u2028"}',
    '{"x": ' + "[" * 62 + "]" * 62 + "}",
    json.dumps(
        {"inbounds": [{"tag": "t" * 999, "settings": {"clients": [{"email": "e" * 999, "level": -1}, {"level": True, "id": 5}]}}]}
    ),
    '{"reverse": {"portals": [{"tag": "p"}, {"tag": "", "domain": "x"}], "extra": 1}, "routing": {"balancers": [{"tag": "b"}]}}',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_the_shape_nothing_is_lost(text: str) -> None:
    assert_round_trip(text)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
KEYS = st.sampled_from(
    [
        "inbounds",
        "Inbounds",
        "outbounds",
        "reverse",
        "routing",
        "portals",
        "bridges",
        "rules",
        "balancers",
        "settings",
        "clients",
        "users",
        "accounts",
        "tag",
        "Tag",
        "id",
        "password",
        "email",
        "protocol",
        "port",
        "streamSettings",
        "sockopt",
        "x",
    ]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5),
    max_leaves=25,
)
OBJECTS = st.dictionaries(KEYS | st.text(max_size=3), ANYTHING, max_size=5)
INBOUNDS = st.fixed_dictionaries(
    {"settings": st.fixed_dictionaries({"clients": st.lists(OBJECTS, max_size=3)}, optional={"users": ANYTHING})},
    optional={"tag": st.text(max_size=3), "port": ANYTHING, "x": ANYTHING},
)
DOCUMENTS = (
    st.fixed_dictionaries(
        {},
        optional={
            "log": ANYTHING,
            "inbounds": st.lists(INBOUNDS | OBJECTS, max_size=4) | ANYTHING,
            "outbounds": st.lists(OBJECTS, max_size=4) | ANYTHING,
            "Reverse": st.fixed_dictionaries({"portals": st.lists(OBJECTS, max_size=3), "bridges": ANYTHING}),
            "routing": st.fixed_dictionaries(
                {"rules": st.lists(OBJECTS, max_size=4)}, optional={"balancers": st.lists(OBJECTS, max_size=3)}
            ),
            "dns": ANYTHING,
        },
    )
    | OBJECTS
)


def without_taken_tags(text: str) -> str | None:
    """`text`, unless two entries have one tag: that is refused, and tested elsewhere."""
    try:
        parse_document(text)
    except UnreadableDocument as error:
        if all("is here twice" in problem.message for problem in error.problems):
            return None
        raise
    return text


@given(DOCUMENTS, st.sampled_from([None, 2]))
def test_any_document_at_all(document: dict[str, Any], indent: int | None) -> None:
    text = without_taken_tags(json.dumps(document, indent=indent))
    if text is not None:
        assert_round_trip(text)


@given(DOCUMENTS, DOCUMENTS)
def test_there_is_no_change_exactly_where_documents_are_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    texts = [without_taken_tags(json.dumps(document)) for document in (one, other)]
    if texts[0] is not None and texts[1] is not None:
        changes = diff_contents(parse_document(texts[0])[0], parse_document(texts[1])[0])
        assert bool(changes) == (texts[0] != texts[1])


def test_what_is_not_enabled_is_left_out() -> None:
    content, _ = parse_document('{"inbounds": [{"tag": "a", "settings": {"clients": [{"id": "x"}, {"id": "y"}]}}, {"tag": "b"}]}')
    content.entries[Kind.INBOUND][0].clients[0].enabled = False
    content.entries[Kind.INBOUND][1].enabled = False
    assert compile_document(content) == {"inbounds": [{"tag": "a", "settings": {"clients": [{"id": "y"}]}}]}


def test_lists_that_are_not_there_are_made_where_entries_need_them() -> None:
    client = Entry({"user": "a"})
    content = Content({"log": {}, "Routing": None})
    content.entries[Kind.INBOUND] = [
        Entry({"protocol": "http"}, clients=[client]),
        Entry({"protocol": "vless"}, clients=[client]),
    ]
    content.entries[Kind.RULE] = [Entry({"outboundTag": "a"})]
    content.entries[Kind.PORTAL] = [Entry({"tag": "p"})]
    assert exact(compile_document(content)) == exact(
        {
            "log": {},
            "Routing": {"rules": [{"outboundTag": "a"}]},
            "inbounds": [
                {"protocol": "http", "settings": {"accounts": [{"user": "a"}]}},
                {"protocol": "vless", "settings": {"clients": [{"user": "a"}]}},
            ],
            "reverse": {"portals": [{"tag": "p"}]},
        }
    )


@pytest.mark.parametrize(
    ("rest", "path"),
    [({"inbounds": 5}, ("inbounds",)), ({"routing": []}, ("routing",)), ({"routing": {"rules": {}}}, ("routing", "rules"))],
)
def test_entries_that_have_no_place_are_an_error_that_names_it(rest: dict[str, Any], path: tuple[str, ...]) -> None:
    content = Content(rest)
    content.entries[Kind.INBOUND if path == ("inbounds",) else Kind.RULE] = [Entry({})]
    with pytest.raises(CannotCompile) as caught:
        compile_document(content)
    assert caught.value.path == path
