from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.document.comments import Comment, comments_of, write_jsonc
from proxycore.document.jsonc import parse

EVERYWHERE = """// head
{ // open
  "a": 1, // after a
  /* before b
     more
       deep */
  "b": /* inside */ [ 1, // one
    2 # two
    // at the end of b
  ],
  "c": {
    // alone
  },
  "d": [ /*x*/ ] /* d */ // d too
  // at the end
} // tail
# bye
"""

COMMENTS = [
    Comment((), "before", "// head"),
    Comment(("a",), "before", "// open"),
    Comment(("a",), "after", "// after a"),
    Comment(("b",), "before", "/* before b\nmore\n  deep */"),
    Comment(("b",), "before", "/* inside */"),
    Comment(("b", 0), "after", "// one"),
    Comment(("b", 1), "after", "# two"),
    Comment(("b",), "end", "// at the end of b"),
    Comment(("c",), "end", "// alone"),
    Comment(("d",), "end", "/*x*/"),
    Comment(("d",), "after", "/* d */"),
    Comment(("d",), "after", "// d too"),
    Comment((), "end", "// at the end"),
    Comment((), "after", "// tail"),
    Comment((), "after", "# bye"),
]


def test_every_comment_belongs_to_a_value() -> None:
    assert comments_of(EVERYWHERE, parse(EVERYWHERE)) == COMMENTS


def test_what_is_written_has_the_comments_in_their_places() -> None:
    assert write_jsonc({"a": [1, {}]}, [
        Comment((), "before", "// head"), Comment(("a",), "before", "/* two\nlines */"), Comment(("a", 0), "after", "// one"),
        Comment(("a", 1), "end", "# alone"), Comment((), "end", "// end"),
    ]) == """// head
{
  /* two
   lines */
  "a": [
    1, // one
    {
      # alone
    }
  ]
  // end
}
"""


def test_reading_what_was_written_gives_the_same_comments() -> None:
    written = write_jsonc(parse(EVERYWHERE).value, COMMENTS)
    assert comments_of(written, parse(written)) == COMMENTS
    assert parse(written).value == parse(EVERYWHERE).value


@pytest.mark.parametrize(
    ("loc", "place", "text"),
    [
        (("gone", "deeper"), "before", '{\n  "a": [\n    1\n  ]\n  // c\n}\n'),
        (("a", 7), "after", '{\n  "a": [\n    1\n    // c\n  ]\n}\n'),
        (("a", 0, "x"), "before", '{\n  "a": [\n    // c\n    1\n  ]\n}\n'),
        (("a", 0), "end", '{\n  "a": [\n    // c\n    1\n  ]\n}\n'),
    ],
)
def test_a_comment_whose_value_is_gone_stays_near(loc: tuple[str | int, ...], place: str, text: str) -> None:
    assert write_jsonc({"a": [1]}, [Comment(loc, place, "// c")]) == text  # type: ignore[arg-type]


def test_without_comments_it_is_indented_json() -> None:
    assert write_jsonc({"ä": [1.5, {}, []]}) == '{\n  "ä": [\n    1.5,\n    {},\n    []\n  ]\n}\n'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5).filter(lambda text: text.isprintable()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abAB/#*", max_size=3), inner, max_size=4),
    max_leaves=12,
)
BLANKS = st.lists(st.sampled_from([" ", "\n", "\n   ", "// c\n", "# d\n", "/* e */", "/* f\n  g\n    h */", "/**/"]), max_size=4)


@given(VALUES, st.data())
def test_no_comment_is_lost_or_moves_again(value: object, data: st.DataObject) -> None:
    draw = lambda: "".join(data.draw(BLANKS))  # noqa: E731
    tokens = [*json.JSONEncoder(ensure_ascii=False).iterencode(value)]
    text = draw() + "".join(token + draw() for token in tokens)
    parsed = parse(text)
    comments = comments_of(text, parsed)
    assert len(comments) == len(parsed.comments)
    written = write_jsonc(value, comments)
    assert json.dumps(parse(written).value) == json.dumps(value)
    assert sorted(comment.text for comment in comments_of(written, parse(written))) == sorted(one.text for one in comments)
    again = write_jsonc(value, comments_of(written, parse(written)))
    assert comments_of(again, parse(again)) == comments_of(written, parse(written))
