"""TOML, read into what JSON can say and the place of every key and value.

The library reads the values; a second pass over the text, which is known to be well formed then, finds the places.
Refused, though TOML has it: dates and times, NaN and infinity.
"""

from __future__ import annotations

import re
import tomllib
from math import isfinite
from typing import Any, Final

from proxycore.document.jsonc import MAX_DEPTH, MAX_DOCUMENT_CHARS, Fault, JsonError, ListMarks, Loc, Marks, ObjectMarks, Parsed

_BLANKS: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*").match
_SPACES: Final = re.compile(r"[ \t]*").match
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+").match
_BASIC_TEXT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"').match
_LITERAL_TEXT: Final = re.compile(r"'[^'\n]*'").match
_LONG_BASIC: Final = re.compile(r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}').match
_LONG_LITERAL: Final = re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}").match
_WORD: Final = re.compile(r"[^,\]}\n#]*").match
_SURROGATE: Final = re.compile("[\ud800-\udfff]").search
_WHERE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def parse_toml(text: str) -> Parsed:
    """Read one TOML document. Raises JsonError for the first thing that cannot be read."""
    if len(text) > MAX_DOCUMENT_CHARS:
        raise JsonError(Fault(1, 1, f"the document is longer than {MAX_DOCUMENT_CHARS} characters"))
    half = _SURROGATE(text)
    if half is not None:
        line = text.count("\n", 0, half.start()) + 1
        raise JsonError(Fault(line, half.start() - text.rfind("\n", 0, half.start()), "half of a surrogate pair is no character"))
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise JsonError(_fault(text, str(error))) from None
    except RecursionError:
        raise JsonError(Fault(1, 1, _TOO_DEEP)) from None
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    places = _Places(text)
    try:
        places.read()
    except RecursionError:
        raise JsonError(Fault(1, 1, _TOO_DEEP)) from None
    parsed = Parsed(value, places.root, line_starts, [], [], is_json=False)
    _check(value, (), parsed)
    return parsed


_TOO_DEEP: Final = f"there are more than {MAX_DEPTH} objects and lists inside each other"


def _fault(text: str, message: str) -> Fault:
    """The library tells the place as a part of its message."""
    where = _WHERE.search(message)
    plain = message[: where.start()] if where is not None else message
    plain = f"this is no TOML: {plain[:1].lower()}{plain[1:]}"
    if where is None:
        return Fault(1, 1, plain)
    if where[1] is None:
        return Fault(text.count("\n") + 1, len(text) - text.rfind("\n"), plain)
    return Fault(int(where[1]), int(where[2]), plain)


def _check(value: object, loc: Loc, parsed: Parsed) -> None:
    """Refuse what JSON cannot say. Raises JsonError."""
    if isinstance(value, dict | list):
        if len(loc) >= MAX_DEPTH:
            raise JsonError(Fault(*parsed.line_column(loc), _TOO_DEEP))
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            _check(item, (*loc, step), parsed)
    elif isinstance(value, float) and not isfinite(value):
        raise JsonError(Fault(*parsed.line_column(loc), "this is no number that JSON has"))
    elif not isinstance(value, str | int | float):
        raise JsonError(Fault(*parsed.line_column(loc), "a date or time is no value here; put it in quotes"))


class _Places:
    """Walks over a text that the library has read, so that nothing in it is wrong."""

    __slots__ = ("_offset", "_text", "root")

    def __init__(self, text: str) -> None:
        self._text = text
        self._offset = 0
        self.root = ObjectMarks(0)

    def read(self) -> None:
        text, table = self._text, self.root
        self._skip()
        while self._offset < len(text):
            start = self._offset
            if text.startswith("[[", start):
                self._offset += 2
                keys = self._keys()
                self._offset += 2
                table = self._new_item(keys, start)
            elif text.startswith("[", start):
                self._offset += 1
                keys = self._keys()
                self._offset += 1
                table = self._table(self.root, keys, start)
            else:
                self._entry(table)
            self._skip()

    def _skip(self) -> None:
        self._offset = _end(_BLANKS(self._text, self._offset), self._offset)

    def _spaces(self) -> None:
        self._offset = _end(_SPACES(self._text, self._offset), self._offset)

    def _entry(self, table: ObjectMarks) -> None:
        """`a.b = value`, with the offset at `a` before and behind the value afterwards."""
        start = self._offset
        keys = self._keys()
        self._offset += 1       # the `=`
        self._spaces()
        inner = self._table(table, keys[:-1], start)
        key, inner.keys[keys[-1][0]] = keys[-1]
        inner.values[key] = self._value()

    def _keys(self) -> list[tuple[str, int]]:
        """A dotted key, each part with its offset; behind it afterwards."""
        found: list[tuple[str, int]] = []
        while True:
            self._spaces()
            start = self._offset
            found.append((self._key(), start))
            self._spaces()
            if not self._text.startswith(".", self._offset):
                return found
            self._offset += 1

    def _key(self) -> str:
        start = self._offset
        text = self._text
        match = _BASIC_TEXT(text, start) or _LITERAL_TEXT(text, start) or _BARE_KEY(text, start)
        self._offset = _end(match, start + 1)
        raw = text[start : self._offset]
        if raw.startswith('"'):
            return next(iter(tomllib.loads(f"{raw} = 0")))      # its escapes
        return raw[1:-1] if raw.startswith("'") else raw

    def _table(self, outer: ObjectMarks, keys: list[tuple[str, int]], start: int) -> ObjectMarks:
        """The object at a dotted key; what is not there yet begins at `start`. Of a list it is the last item."""
        for key, offset in keys:
            inner = outer.values.get(key)
            if isinstance(inner, ListMarks):
                inner = inner.items[-1]
            if not isinstance(inner, ObjectMarks):
                inner = outer.values[key] = ObjectMarks(start)
                outer.keys[key] = offset
            outer = inner
        return outer

    def _new_item(self, keys: list[tuple[str, int]], start: int) -> ObjectMarks:
        """The object that `[[a.b]]` begins."""
        outer = self._table(self.root, keys[:-1], start)
        key, offset = keys[-1]
        listed = outer.values.get(key)
        if not isinstance(listed, ListMarks):
            listed = outer.values[key] = ListMarks(start)
            outer.keys[key] = offset
        item = ObjectMarks(start)
        listed.items.append(item)
        return item

    def _value(self) -> Marks:
        start, text = self._offset, self._text
        if text.startswith("[", start):
            return self._list()
        if text.startswith("{", start):
            return self._inline_table()
        match = (
            _LONG_BASIC(text, start) or _LONG_LITERAL(text, start) or _BASIC_TEXT(text, start) or _LITERAL_TEXT(text, start)
            or _WORD(text, start)
        )
        self._offset = _end(match, start + 1)
        return start

    def _list(self) -> ListMarks:
        marks = ListMarks(self._offset)
        self._offset += 1
        self._skip()
        while self._is_inside("]"):
            marks.items.append(self._value())
            self._skip()
            if self._text.startswith(",", self._offset):
                self._offset += 1
                self._skip()
        self._offset += 1
        return marks

    def _inline_table(self) -> ObjectMarks:
        marks = ObjectMarks(self._offset)
        self._offset += 1
        self._skip()
        while self._is_inside("}"):
            self._entry(marks)
            self._skip()
            if self._text.startswith(",", self._offset):
                self._offset += 1
                self._skip()
        self._offset += 1
        return marks

    def _is_inside(self, closing: str) -> bool:
        return self._offset < len(self._text) and not self._text.startswith(closing, self._offset)


def _end(match: Any, otherwise: int) -> int:
    """The offset behind a match. Of what is read here there always is one; without it the walk still goes on."""
    return match.end() if match is not None and match.end() > match.start() else max(otherwise, match.end() if match else 0)
