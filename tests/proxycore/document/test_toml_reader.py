"""TOML: values, places of them, and what is refused."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.document.jsonc import JsonError, Loc
from proxycore.document.toml_reader import parse_toml

DOCUMENT = '''\
# a portal
[log]
loglevel = "warning"    # quiet
"q.\\u00e9" = 'lit'

[[inbounds]]
tag = "ü😀"
port = 443
settings.clients = [ {id = "x", level = 1},   # [ in a comment
  # a comment = 1
  { "id" = """a"b""" } ]
[[inbounds]]
[inbounds.settings]
x.y = [1, 2,
3, ]
z = """
[no.table]
q = \\""" 1 """
w = \'\'\'a'b\'\'\'
[[inbounds.settings.clients]]
id = -1.5
'''


def test_a_document_is_read_by_the_library_and_its_places_by_ourselves() -> None:
    parsed = parse_toml(DOCUMENT)
    assert parsed.value == tomllib.loads(DOCUMENT)
    assert not parsed.is_json
    assert parsed.duplicates == []


@pytest.mark.parametrize(
    ("loc", "value", "key"),
    [
        ((), (1, 1), (1, 1)),
        (("log",), (2, 1), (2, 2)),
        (("log", "logLevel"), (3, 12), (3, 1)),
        (("log", "q.é"), (4, 14), (4, 1)),
        (("inbounds",), (6, 1), (6, 3)),
        (("inbounds", 0), (6, 1), (6, 1)),
        (("inbounds", 0, "port"), (8, 8), (8, 1)),
        (("inbounds", 0, "settings"), (9, 1), (9, 1)),
        (("inbounds", 0, "settings", "clients"), (9, 20), (9, 10)),
        (("inbounds", 0, "settings", "clients", 0, "level"), (9, 41), (9, 33)),
        (("inbounds", 0, "settings", "clients", 1, "id"), (11, 12), (11, 5)),
        (("inbounds", 1), (12, 1), (12, 1)),
        (("inbounds", 1, "settings"), (13, 1), (13, 11)),
        (("inbounds", 1, "settings", "x", "y", 2), (15, 1), (15, 1)),
        (("inbounds", 1, "settings", "w"), (19, 5), (19, 1)),
        (("inbounds", 1, "settings", "clients", 0, "id"), (21, 6), (21, 1)),
        (("none",), (1, 1), (1, 1)),
    ],
)
def test_every_value_and_key_has_its_place(loc: Loc, value: tuple[int, int], key: tuple[int, int]) -> None:
    parsed = parse_toml(DOCUMENT)
    assert parsed.line_column(loc) == value
    assert parsed.line_column(loc, of_key=True) == key


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a = 1\nb = \n", 2, 5, "this is no TOML: invalid value"),
        ("a = 1\na = 2\n", 2, 6, "this is no TOML: cannot overwrite a value"),
        ("a = 1\nb = '\ud800'\n", 2, 6, "half of a surrogate pair is no character"),
        ("a = [", 1, 6, "this is no TOML: "),
        ("a = 1\nb = 2001-01-01\n", 2, 5, "a date or time is no value here; put it in quotes"),
        ("a = [1, nan]\n", 1, 9, "this is no number that JSON has"),
        ("a = " + "[" * 70 + "]" * 70, 1, 68, "there are more than 64 objects and lists inside each other"),
        (".".join("a" * 70) + " = 1", 1, 1, "there are more than 64 objects and lists inside each other"),
        ("a = " + "[" * 5000 + "]" * 5000, 1, 1, "there are more than 64 objects and lists inside each other"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse_toml(text)
    assert caught.value.fault[:2] == (line, column)
    assert caught.value.fault.message.startswith(message)


def places(value: object, loc: Loc = ()) -> list[Loc]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [loc, *(place for step, item in inner for place in places(item, (*loc, step)))]


KEYS = st.text(st.sampled_from("ab-_1"), min_size=1, max_size=3)
PIECES = st.sampled_from([
    "a = 1\n", "b.c = [1, {d = 2}]\n", "[t]\n", "[[l]]\n", "[l.t]\n", "[[l.m]]\n", '"x y" = """\n"]"""\n', "'q' = '''[a]'''\n",
    "e = { f = [[], [{}]], g = '#' } # c\n", "[t.u.v]\n", "h = [\n  # ]\n  'a',\n]\n", "i = 1e3\n", "# [x]\n", 'j = "\\""\n',
    "k = true\n", "[l.t.z]\n", "m . n = \"\"\"\"\"two\"\"\"\"\"\n",
])


@given(st.lists(PIECES, max_size=12))
def test_every_value_of_any_document_has_a_place(pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(JsonError):
            parse_toml(text)
        return
    parsed = parse_toml(text)
    assert parsed.value == expected
    assert [loc for loc in places(expected) if not parsed.has(loc)] == []


@given(st.text(max_size=60) | st.text(st.sampled_from(list("ab=.[]{}'\"#, \n0-\\")), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parsed = parse_toml(text)
    except JsonError:
        return
    assert [loc for loc in places(parsed.value) if not parsed.has(loc)] == []
