"""The reader of JSON with comments: values, places, and what it refuses."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxycore.document.jsonc import MAX_CONTAINERS, MAX_DEPTH, MAX_DOCUMENT_CHARS, Fault, JsonError, parse

DOCUMENT = """\
// a bridge
{
  /* two
     lines */ "tag": "b", # the tag
\t"ports": [1, -2.5e1, true,],
  "url": "http://x/#y /*z*/", "größe": null,
}
"""

SECONDS_FOR_5_MB = 20.0  # takes about three; a quadratic reader would need hours


def test_comments_and_trailing_commas_are_read_over() -> None:
    assert parse(DOCUMENT).value == {"tag": "b", "ports": [1, -25.0, True], "url": "http://x/#y /*z*/", "größe": None}


@pytest.mark.parametrize(
    ("loc", "of_key", "place"),
    [
        ((), False, (2, 1)),
        (("tag",), True, (4, 15)),
        (("tag",), False, (4, 22)),
        (("ports",), True, (5, 2)),  # a tab is one character
        (("ports",), False, (5, 11)),
        (("ports", 1), False, (5, 15)),
        (("ports", 1), True, (5, 15)),  # an item has no key
        (("ports", 2), False, (5, 23)),
        (("größe",), True, (6, 31)),
        (("größe",), False, (6, 40)),
        (("TAG",), False, (4, 22)),  # keys are found in any letter case
        (("ports", 9, "x"), False, (5, 11)),  # what is not there is where it would be
        (("nothing",), True, (2, 1)),
    ],
)
def test_every_key_and_value_has_its_line_and_column(loc: tuple[str | int, ...], of_key: bool, place: tuple[int, int]) -> None:
    assert parse(DOCUMENT).line_column(loc, of_key=of_key) == place


def test_characters_outside_the_basic_plane_count_as_one_column() -> None:
    assert parse('["😀", 1]').line_column((1,)) == (1, 7)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", (1, 1, "the document is empty; at least {} is expected")),
        ("  // nothing\n", (2, 1, "the document is empty; at least {} is expected")),
        ("\ufeff{}", (1, 1, "the file begins with a byte order mark; save it as UTF-8 without one")),
        ('{"a": 1\n "b": 2}', (2, 2, '`,` or `}` was expected, not `"`')),
        ('{"a" 1}', (1, 6, "`:` was expected after the key, not `1`")),
        ("{a: 1}", (1, 2, "a key in double quotes or `}` was expected, not `a`")),
        ("{,}", (1, 2, "a key in double quotes or `}` was expected, not `,`")),
        ("[1,,2]", (1, 4, "a value was expected, not `,`")),
        ("[1 2]", (1, 4, "`,` or `]` was expected, not `2`")),
        ("[1", (1, 3, "`,` or `]` was expected, not the end of the file")),
        ("{} {}", (1, 4, "the end of the document was expected after its first value, not `{`")),
        ("{}\nx", (2, 1, "the end of the document was expected after its first value, not `x`")),
        ("[\n'a']", (2, 1, "text must be in double quotes, not in single ones")),
        ('["a', (1, 2, 'this text is never closed: `"` was expected')),
        ('["a\nb"]', (1, 4, '`"` was expected before the character U+000A; write control characters as escapes')),
        (r'["a\x"]', (1, 4, 'one of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX was expected after the backslash')),
        (r'["\u12g4"]', (1, 3, "four hexadecimal digits were expected after \\u")),
        (r'["\ud800"]', (1, 2, "this text holds half of a surrogate pair")),
        ('["\ud800"]', (1, 3, "half of a surrogate pair is no character")),
        ("[1] /* x", (1, 5, "this comment is never closed: `*/` was expected")),
        ("[NaN]", (1, 2, "a value was expected, not `NaN`")),
        ("[-Infinity]", (1, 2, "a value was expected, not `-Infinity`")),
        ("[1e999]", (1, 2, "the number is too large")),
        ("[01]", (1, 2, "a value was expected, not `01`")),
        ("[1.]", (1, 2, "a value was expected, not `1.`")),
        ("[+1]", (1, 2, "a value was expected, not `+1`")),
        ("[True]", (1, 2, "a value was expected, not `True`")),
        ("[" + "9" * 401 + "]", (1, 2, "a number must not have more than 400 characters")),
        ("[\x00]", (1, 2, "a value was expected, not the character U+0000")),
        ("[" * 65, (1, 65, "there are more than 64 objects and lists inside each other")),
        (" " * (MAX_DOCUMENT_CHARS + 1), (1, 1, "the document is longer than 16777216 characters")),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place_and_what_was_expected(text: str, fault: tuple[int, int, str]) -> None:
    with pytest.raises(JsonError) as caught:
        parse(text)
    assert caught.value.fault == fault


def test_the_deepest_allowed_document_is_read() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH).has((0,) * (MAX_DEPTH - 1))


def test_duplicate_keys_are_reported_where_they_stand_and_the_last_value_counts() -> None:
    parsed = parse('{"a": 1,\n "b": {"c": 1, "c": 2},\n "a": 3}')
    assert parsed.value == {"a": 3, "b": {"c": 2}}
    assert parsed.duplicates == [
        Fault(2, 16, 'the key "c" is here twice; the first is on line 2'),
        Fault(3, 2, 'the key "a" is here twice; the first is on line 1'),
    ]


def test_the_number_of_reported_duplicates_is_bounded() -> None:
    with pytest.raises(JsonError) as caught:
        parse("{" + '"a":1,' * 500 + "}")
    assert caught.value.fault.column == 2 + 6 * 101


@pytest.mark.parametrize(
    "text",
    [
        "[" + '{"a": "b\\n", /* c */ "d": [1, true]}, // x\n' * 100_000 + "]",
        "#\n" * 2_000_000 + "{}",
        '["' + "\\u0041" * 600_000 + '"]',
        "{" + ",".join(f'"k{number}": 1' for number in range(200_000)) + "}",
    ],
    ids=["items", "comments", "escapes", "keys"],
)
def test_megabytes_take_seconds(text: str) -> None:
    begin = time.process_time()
    parse(text)
    assert time.process_time() - begin < SECONDS_FOR_5_MB


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.fuzz
@given(JSON_VALUES, st.sampled_from([None, 1]), st.booleans())
def test_plain_json_means_the_same_as_to_the_standard_library(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse(text).value == json.loads(text)


PIECES = st.sampled_from(
    [
        '"',
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "//",
        "/*",
        "*/",
        "#",
        "\n",
        " ",
        "\\",
        "\\u",
        "d800",
        "1",
        "-",
        "1e9",
        "true",
        "nul",
        "'",
        "\ud800",
        "\x00",
    ]
)


def fault_of(text: str) -> Fault | None:
    try:
        parse(text)
    except JsonError as error:
        return error.fault
    return None


@pytest.mark.fuzz
@given(st.lists(PIECES | st.text(max_size=3), max_size=40).map("".join))
@example('{"a": [1, {"b"')
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str) -> None:
    fault = fault_of(text)
    if fault is not None:
        lines = text.split("\n")
        assert 1 <= fault.line <= len(lines)
        assert 1 <= fault.column <= len(lines[fault.line - 1]) + 1


@pytest.mark.fuzz
@given(JSON_VALUES, st.data())
def test_a_text_that_ends_too_soon_is_refused(value: object, data: st.DataObject) -> None:
    text = json.dumps([value])
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(JsonError):
        parse(text[:cut])


def test_there_is_an_end_to_objects_and_lists() -> None:
    """Each is known by its place: five millions of them, which 15 MiB hold, took gigabytes."""
    parse("[" + ",".join(["{}"] * (MAX_CONTAINERS - 1)) + "]")
    with pytest.raises(JsonError, match="more than 300000 objects and lists"):
        parse("[" + ",".join(["{}"] * MAX_CONTAINERS) + "]")
