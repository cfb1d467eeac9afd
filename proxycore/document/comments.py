"""Comments of a document: which value each belongs to, and JSON written with them in their places.

A comment belongs to the value that it stands before, or behind which it stands on the same line; where nothing follows
it, to the end of the object or list around it. So none is lost, and reading what was written gives the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from proxycore.document.jsonc import ListMarks, Loc, Marks, ObjectMarks, Parsed, Step

Place: TypeAlias = Literal["before", "after", "end"]

_INDENT = "  "
_LINE_COMMENTS = ("//", "#")


class Comment(NamedTuple):
    """`text` with its marks (`// ...`). `place` says where it stands in regard to the value (and key) at `loc`."""

    loc: Loc
    place: Place
    text: str


def comments_of(text: str, parsed: Parsed) -> list[Comment]:
    """Every comment of `text`, in its order."""
    return _Attaching(text, parsed).run() if parsed.comments else []


class _Attaching:
    __slots__ = ("_found", "_next", "_parsed", "_text")

    def __init__(self, text: str, parsed: Parsed) -> None:
        self._text = text
        self._parsed = parsed
        self._next = 0
        self._found: list[Comment] = []

    def run(self) -> list[Comment]:
        marks = self._parsed.marks
        self._take(_start(marks), (), "before")
        self._inside(marks, ())
        self._take(len(self._text) + 1, (), "after")
        return self._found

    def _offset(self) -> int:
        """Where the next comment begins; behind everything if there is none."""
        comments = self._parsed.comments
        return comments[self._next][0] if self._next < len(comments) else len(self._text) + 1

    def _take(self, until: int, loc: Loc, place: Place) -> None:
        """Give the comments that begin before the offset `until` to `loc`."""
        comments = self._parsed.comments
        while self._next < len(comments) and comments[self._next][0] < until:
            start, end = comments[self._next]
            self._found.append(Comment(loc, place, _aligned(self._text[start:end])))
            self._next += 1

    def _take_line(self, until: int, line: int, loc: Loc) -> None:
        """Give those that begin on `line` to the value at `loc` before them."""
        while self._offset() < until and self._parsed.line(self._offset()) == line:
            self._take(self._offset() + 1, loc, "after")

    def _inside(self, marks: Marks, loc: Loc) -> None:
        if isinstance(marks, int) or self._offset() > marks.end:
            return
        previous: tuple[Loc, int] | None = None
        for start, step, inner in _items(marks):
            here = (*loc, step)
            if previous is not None:
                self._take_line(start, previous[1], previous[0])
            self._take(_start(inner), here, "before")
            self._inside(inner, here)
            previous = here, self._parsed.line(inner if isinstance(inner, int) else inner.end)
        if previous is not None:
            self._take_line(marks.end, previous[1], previous[0])
        self._take(marks.end, loc, "end")


def _start(marks: Marks) -> int:
    return marks if isinstance(marks, int) else marks.offset


def _items(marks: ObjectMarks | ListMarks) -> list[tuple[int, Step, Marks]]:
    """The offset, key or number, and marks of what is in it."""
    if isinstance(marks, ObjectMarks):
        return sorted(((marks.keys[key], key, value) for key, value in marks.values.items()), key=lambda one: one[0])
    return [(_start(value), number, value) for number, value in enumerate(marks.items)]


def _aligned(comment: str) -> str:
    """Without the indentation that the lines after the first have together."""
    first, *others = [line.rstrip() for line in comment.split("\n")]
    margin = min((len(line) - len(line.lstrip()) for line in others if line), default=0)
    return "\n".join([first, *(line[margin:] for line in others)])


def write_jsonc(value: object, comments: Iterable[Comment] = ()) -> str:
    """`value` as indented JSON, ending with a line break, with `comments` in their places.

    One whose place is not there any more stands at the end of the object or list that was around it.
    """
    by_place: dict[tuple[Loc, Place], list[str]] = {}
    for comment in comments:
        by_place.setdefault(_anchor(value, comment), []).append(comment.text)
    if not by_place:
        return json.dumps(value, ensure_ascii=False, indent=len(_INDENT)) + "\n"
    return _Writing(by_place).run(value)


def _anchor(value: object, comment: Comment) -> tuple[Loc, Place]:
    for depth, step in enumerate(comment.loc):
        is_key = isinstance(value, dict) and step in value
        if not is_key and not (isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)):
            return comment.loc[:depth], "end" if isinstance(value, dict | list) else "before"
        value = value[step]  # type: ignore[index]
    if comment.place == "end" and not isinstance(value, dict | list):
        return comment.loc, "before"
    return comment.loc, comment.place


class _Writing:
    __slots__ = ("_comments", "_parts")

    def __init__(self, comments: dict[tuple[Loc, Place], list[str]]) -> None:
        self._comments = comments
        self._parts: list[str] = []

    def run(self, value: object) -> str:
        self._lines((), "before", "")
        self._value(value, (), "")
        self._after((), "")
        self._parts.append("\n")
        return "".join(self._parts)

    def _lines(self, loc: Loc, place: Place, indent: str) -> None:
        """Comments on lines of their own."""
        for text in self._comments.get((loc, place), ()):
            self._parts += (indent, _indented(text, indent), "\n")

    def _after(self, loc: Loc, indent: str) -> None:
        """Comments behind a value; what follows stands on the next line."""
        separator = " "
        for text in self._comments.get((loc, "after"), ()):
            self._parts += (separator, _indented(text, indent))
            separator = f"\n{indent}" if text.startswith(_LINE_COMMENTS) else " "

    def _value(self, value: object, loc: Loc, indent: str) -> None:
        if isinstance(value, dict):
            self._items("{}", [(json.dumps(key, ensure_ascii=False) + ": ", key, one) for key, one in value.items()], loc, indent)
        elif isinstance(value, list):
            self._items("[]", [("", number, one) for number, one in enumerate(value)], loc, indent)
        else:
            self._parts.append(json.dumps(value, ensure_ascii=False))

    def _items(self, brackets: str, items: list[tuple[str, Step, object]], loc: Loc, indent: str) -> None:
        if not items and (loc, "end") not in self._comments:
            self._parts.append(brackets)
            return
        inner = indent + _INDENT
        self._parts.append(brackets[0] + "\n")
        for number, (key, step, value) in enumerate(items):
            here = (*loc, step)
            self._lines(here, "before", inner)
            self._parts += (inner, key)
            self._value(value, here, inner)
            if number + 1 < len(items):
                self._parts.append(",")
            self._after(here, inner)
            self._parts.append("\n")
        self._lines(loc, "end", inner)
        self._parts += (indent, brackets[1])


def _indented(text: str, indent: str) -> str:
    first, *others = text.split("\n")
    return "\n".join([first, *(f"{indent} {line}" if line else "" for line in others)])
