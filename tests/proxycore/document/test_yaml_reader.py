"""YAML: values as Xray reads them, places of them, and everything that is refused."""

from __future__ import annotations

import re
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxycore.document import yaml_reader
from proxycore.document.jsonc import Fault, JsonError
from proxycore.document.yaml_reader import parse_yaml

DOCUMENT = """\
# a portal
log:
  loglevel: warning
inbounds:
  - tag: "ü😀"
    port: 443
    settings: {clients: [{id: x, level: 0}, {id: y2}]}
  - tag: b
"""


def value_of(text: str) -> object:
    return parse_yaml(text).value


def fault_of(text: str) -> Fault:
    with pytest.raises(JsonError) as caught:
        parse_yaml(text)
    return caught.value.fault


def test_a_document_says_what_the_same_json_would() -> None:
    assert value_of(DOCUMENT) == {
        "log": {"loglevel": "warning"},
        "inbounds": [
            {"tag": "ü😀", "port": 443, "settings": {"clients": [{"id": "x", "level": 0}, {"id": "y2"}]}},
            {"tag": "b"},
        ],
    }


@pytest.mark.parametrize(
    ("loc", "value", "key"),
    [
        ((), (2, 1), (2, 1)),
        (("log",), (3, 3), (2, 1)),
        (("log", "loglevel"), (3, 13), (3, 3)),
        (("inbounds",), (5, 3), (4, 1)),
        (("inbounds", 0), (5, 5), (5, 5)),
        (("inbounds", 0, "tag"), (5, 10), (5, 5)),
        (("inbounds", 0, "settings", "clients", 1, "id"), (7, 50), (7, 46)),
        (("inbounds", 1, "TAG"), (8, 10), (8, 5)),
    ],
)
def test_every_value_and_key_has_its_place(loc: tuple[str | int, ...], value: tuple[int, int], key: tuple[int, int]) -> None:
    parsed = parse_yaml(DOCUMENT)
    assert parsed.line_column(loc) == value
    assert parsed.line_column(loc, of_key=True) == key
    assert not parsed.is_json


@pytest.mark.parametrize("loader", ["C", "Python"])
def test_both_of_the_librarys_readers_give_the_same_places(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "CSafeLoader" if loader == "C" else "SafeLoader"
    if not hasattr(yaml, name):
        pytest.skip("the library was built without libyaml")
    monkeypatch.setattr(yaml_reader, "_LOADER", getattr(yaml, name))
    parsed = parse_yaml("a: ['ü😀', no, 'no', b]\nb:\n  c: |\n    x\n")
    assert parsed.value == {"a": ["ü😀", False, "no", "b"], "b": {"c": "x\n"}}
    assert parsed.line_column(("a", 3)) == (1, 21)
    assert fault_of("a: [").line in (1, 2)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("Off", False), ("n", False), ("TRUE", True), ("tRue", "tRue"), ("'no'", "no"), ('"yes"', "yes"),
        ("~", None), ("null", None), ("", None), ("''", ""),
        ("80", 80), ("-1", -1), ("0x1F", 31), ("0b101", 5), ("0o17", 15), ("1_000", 1000), ("0", 0), ("0x_", "0x_"),
        ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("1.", 1.0), ("1e", "1e"), ("10.0.0.1", "10.0.0.1"), ("-", [None]),
        ("22:22", "22:22"), ("2001-01-01", "2001-01-01"), ("27848739-7e62-4138-9fd3-098a63964b6b",) * 2, ("=", "="),
        ("!!str 12", "12"), ("! 12", "12"), ("!!int 12", 12), ("!!float 12", 12), ("!!bool on", True), ("!!null ''", None),
        ("!!binary aGk=", "hi"), ("|\n    a\n    b", "a\nb\n"), (">-\n    a\n    b", "a b"), ("# nothing", None),
    ],
)  # fmt: skip
def test_words_mean_what_they_mean_to_xray(text: str, value: object) -> None:
    assert value_of(f"a: {text}\n" if text != "-" else "a:\n-\n") == {"a": value}


def test_an_anchor_is_used_again_and_merged() -> None:
    text = "a: &one {x: 1, y2: [q]}\nb: *one\nc: {<<: *one, x: 2}\nd: {<<: [{z: 3}, *one]}\n'<<': text\n"
    one = {"x": 1, "y2": ["q"]}
    assert value_of(text) == {"a": one, "b": one, "c": {**one, "x": 2}, "d": {**one, "z": 3}, "<<": "text"}
    assert parse_yaml(text).line_column(("c", "y2")) == (1, 20)
    assert parse_yaml(text).line_column(("c", "x")) == (3, 18)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", (1, 1, "the document is empty; at least {} is expected")),
        ("# nothing\n---\n", (1, 1, "the document is empty; at least {} is expected")),
        ("a: 1\n---\nb: 2\n", (2, 1, "a second document begins here; one is expected")),
        ("a: *b\n", (1, 4, "there is no finished value with the anchor &b before this")),
        ("a: &a\n  b: *a\n", (2, 6, "there is no finished value with the anchor &a before this")),
        ("a: 1\n? [b]\n: 2\n", (2, 3, "a key must be text")),
        ("a: 1\non: 2\n", (2, 1, "a key must be text; to YAML on is none: put it in quotes")),
        ("~: 2\n", (1, 1, "a key must be text; to YAML ~ is none: put it in quotes")),
        ("? &a {}\n: 2\n", (1, 3, "a key must be text")),
        ("a: &a {}\n*a : 2\n", (2, 1, "a key must be text")),
        ("a: !!python/object:os.system x\n", (1, 4, "this tag has no meaning here")),
        ("a: !mine [x]\n", (1, 4, "this tag has no meaning here")),
        ("a: !!int x\n", (1, 4, "this tag does not fit the value")),
        ("a: !!binary '#'\n", None),
        ("a: .inf\n", (1, 4, "this is no number that JSON has")),
        ("a: 1e999\n", (1, 4, "the number is too large")),
        ("a: 010\n", (1, 4, "a number with a leading zero is octal to some readers; put text in quotes")),
        ("a: {<<: 5}\n", (1, 9, "`<<` takes an object, or a list of objects")),
        ("a: " + "1" * 401, (1, 4, "a number must not have more than 400 characters")),
        ("a: \x07\n", (1, 4, "the character U+0007 must not be in YAML")),
        ("a: \ud800\n", (1, 4, "the character U+D800 must not be in YAML")),
        ('a: "\\ud800"\n', None),
        ("[" * 65 + "]" * 65, (1, 65, "there are more than 64 objects and lists inside each other")),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, fault: tuple[int, int, str] | None) -> None:
    found = fault_of(text)
    assert fault is None or tuple(found) == fault


def test_the_librarys_own_complaints_are_told_with_their_place() -> None:
    fault = fault_of("a: 1\n b: 2\n")
    assert fault.line == 2
    assert fault.message.startswith("this is no YAML: ")


def test_keys_that_are_numbers_are_text() -> None:
    assert value_of("80: a\n0x10: b\n") == {"80": "a", "16": "b"}


def test_a_key_that_is_here_twice_is_told() -> None:
    (fault,) = parse_yaml("a: 1\nb: 2\na: 3\n").duplicates
    assert fault == (3, 1, 'the key "a" is here twice; the first is on line 1')
    text = "".join(f"a: {number}\n" for number in range(103))
    assert fault_of(text).line == 102


def test_aliases_of_aliases_are_bounded_in_number_and_in_depth() -> None:
    laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
    )
    start = time.process_time()
    assert "more than 1000000 values" in fault_of(laughs).message
    assert time.process_time() - start < 1
    deep = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 70))
    assert fault_of(deep) == (64, 12, "there are more than 64 objects and lists inside each other")


# The library writes `n` and `0E0`, which are text to it, without quotes; and it does not keep the other line breaks.
WORDS = st.text(st.characters(blacklist_characters="\x85\u2028\u2029", blacklist_categories=["Cs"])).map("w".__add__)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(WORDS, JSON, min_size=1, max_size=4), st.booleans())
def test_what_the_library_writes_is_read_again(value: dict[str, object], in_blocks: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=not in_blocks, allow_unicode=True)
    assert value_of(text) == value


@given(st.text(max_size=60) | st.text(st.sampled_from(list("ab:-?[]{}&*!|>'\"%@`#,<~ \n0.")), max_size=40))
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str) -> None:
    place = (1, 1)
    try:
        parse_yaml(text)
    except JsonError as error:
        place = error.fault[:2]
    assert (1, 1) <= place <= (len(re.split("[\n\r\x85\u2028\u2029]", text)) + 1, len(text) + 1)
