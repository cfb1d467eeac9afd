"""JSON with comments and trailing commas, read into values and the place of every key and value.

On top of RFC 8259: `//` and `#` comments to the end of the line, `/* */` comments, and one comma before a closing
bracket. Where Go's cores are lax we are strict, because each of these hides a mistake: a duplicate key, text
after the first value (they ignore it), an unpaired surrogate, NaN and Infinity.

One pass, linear in the length of the text. Columns count characters, from 1.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from math import isinf
from typing import NamedTuple, TypeAlias

from proxycore.errors import ProxyError

MAX_DOCUMENT_CHARS = 16 * 1024 * 1024
MAX_DEPTH = 64                  # objects and lists inside each other
MAX_CONTAINERS = 300_000        # objects and lists of a document; one of 16 MiB with clients alone has fewer
MAX_NUMBER_CHARS = 400          # Python refuses to read integers of some thousand digits; nobody needs them
MAX_DUPLICATES = 100            # reported ones; then reading ends

Step: TypeAlias = str | int
Loc: TypeAlias = tuple[Step, ...]
"""A place in a document: keys of objects and positions in lists, from the outside in."""

_BLANKS = re.compile(r"[ \t\r\n]*").match
_PLAIN_TEXT = re.compile(r'[^"\\\x00-\x1f]*').match
# What nearly all keys and commas look like, in one step; whatever is written otherwise is read part by part.
_USUAL_KEY = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\r\n]*:[ \t\r\n]*').match
_USUAL_COMMA = re.compile(r"[ \t\r\n]*,[ \t\r\n]*").match
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?").match
_LONE_SURROGATE = re.compile("[\ud800-\udfff]").search
_WORD = re.compile(r"[A-Za-z0-9_$+.-]+").match
_HEX4 = re.compile(r"[0-9a-fA-F]{4}").match
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_COMMENT_STARTS = frozenset("#/")
_LITERALS = {"true": True, "false": False, "null": None}
_SHOWN_WORD_CHARS = 20


class Fault(NamedTuple):
    """What is wrong with the text, and where."""

    line: int
    column: int
    message: str


class JsonError(ProxyError):
    """The text cannot be read as JSON. `fault` says where, and what was expected."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.line}:{fault.column}: {fault.message}")
        self.fault = fault


class ObjectMarks:
    """Where an object, its keys and its values begin, as offsets into the text. `end` is its closing brace."""

    __slots__ = ("end", "keys", "offset", "values")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.end = offset
        self.keys: dict[str, int] = {}
        self.values: dict[str, Marks] = {}

    def spelling(self, key: str) -> str | None:
        """`key` as the text has it, perhaps in other letter case; None if it has not."""
        if key in self.keys:
            return key
        folded = key.lower()
        return next((name for name in self.keys if name.lower() == folded), None)


class ListMarks:
    """Where a list and its items begin. `end` is its closing bracket."""

    __slots__ = ("end", "items", "offset")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.end = offset
        self.items: list[Marks] = []


Marks: TypeAlias = ObjectMarks | ListMarks | int


class Parsed:
    """What a text says: `value`, its places, and `duplicates`, for which the document is to be refused.

    `comments` are the offsets of each comment's first character and of what follows it, in the order of the text (of
    JSON only). `is_json`: the text is JSON, and not another format that says the same.
    """

    __slots__ = ("_line_starts", "comments", "duplicates", "is_json", "marks", "value")

    def __init__(
        self,
        value: object,
        marks: Marks,
        line_starts: list[int],
        duplicates: list[Fault],
        comments: list[tuple[int, int]],
        *,
        is_json: bool = True,
    ) -> None:
        self.is_json = is_json
        self.value = value
        self.duplicates = duplicates
        self.comments = comments
        self.marks = marks
        self._line_starts = line_starts

    def line(self, offset: int) -> int:
        """The line, from 1, of an offset into the text."""
        return bisect_right(self._line_starts, offset)

    def line_column(self, loc: Loc, *, of_key: bool = False) -> tuple[int, int]:
        """The place of the value at `loc`, or of its key; of what encloses it where the document has no such value.

        Keys are found in any letter case.
        """
        marks = self.marks
        offset = _offset(marks)
        for step in loc:
            inner = _inner(marks, step)
            if inner is None:
                break
            offset = _offset(inner)
            if of_key and isinstance(marks, ObjectMarks):
                offset = marks.keys[marks.spelling(str(step)) or ""]
            marks = inner
        return _line_column(self._line_starts, offset)

    def has(self, loc: Loc) -> bool:
        """Whether the document has a value at `loc`."""
        marks: Marks | None = self.marks
        for step in loc:
            marks = _inner(marks, step) if marks is not None else None
        return marks is not None


def _inner(marks: Marks, step: Step) -> Marks | None:
    if isinstance(marks, ObjectMarks) and isinstance(step, str):
        name = marks.spelling(step)
        return None if name is None else marks.values[name]
    if isinstance(marks, ListMarks) and isinstance(step, int) and 0 <= step < len(marks.items):
        return marks.items[step]
    return None


def _offset(marks: Marks) -> int:
    return marks if isinstance(marks, int) else marks.offset


def _line_column(line_starts: list[int], offset: int) -> tuple[int, int]:
    line = bisect_right(line_starts, offset)
    return line, offset - line_starts[line - 1] + 1


def parse(text: str) -> Parsed:
    """Read one JSON value, which must be all of `text`. Raises JsonError for the first thing that cannot be read."""
    return _Reader(text).read()


class _Reader:
    __slots__ = ("_comments", "_containers", "_duplicates", "_line_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._containers = 0
        self._comments: list[tuple[int, int]] = []
        self._duplicates: list[Fault] = []
        self._line_starts = [0]

    def read(self) -> Parsed:
        text = self._text
        if len(text) > MAX_DOCUMENT_CHARS:
            raise JsonError(Fault(1, 1, f"the document is longer than {MAX_DOCUMENT_CHARS} characters"))
        self._line_starts += [match.end() for match in re.finditer("\n", text)]
        if text.startswith("\ufeff"):
            raise self._error(0, "the file begins with a byte order mark; save it as UTF-8 without one")
        lone = _LONE_SURROGATE(text)
        if lone is not None:
            raise self._error(lone.start(), "half of a surrogate pair is no character")
        start = self._skip(0)
        if start == len(text):
            raise self._error(start, "the document is empty; at least {} is expected")
        value, marks, end = self._value(start, 0)
        end = self._skip(end)
        if end != len(text):
            raise self._error(end, f"the end of the document was expected after its first value, not {self._found(end)}")
        return Parsed(value, marks, self._line_starts, self._duplicates, self._comments)

    def _error(self, offset: int, message: str) -> JsonError:
        return JsonError(Fault(*_line_column(self._line_starts, offset), message))

    def _found(self, offset: int) -> str:
        if offset >= len(self._text):
            return "the end of the file"
        word = _WORD(self._text, offset)
        if word is not None:
            return f"`{word[0][:_SHOWN_WORD_CHARS]}`"
        character = self._text[offset]
        return f"`{character}`" if character.isprintable() else f"the character U+{ord(character):04X}"

    def _skip(self, offset: int) -> int:
        """The offset after blanks and comments. (The pattern also matches nothing.)"""
        text = self._text
        while True:
            offset = _BLANKS(text, offset).end()  # type: ignore[union-attr]
            if text[offset : offset + 1] not in _COMMENT_STARTS:
                return offset
            if text.startswith(("#", "//"), offset):
                end = text.find("\n", offset)
                end = len(text) if end < 0 else end
            elif text.startswith("/*", offset):
                end = text.find("*/", offset + 2)
                if end < 0:
                    raise self._error(offset, "this comment is never closed: `*/` was expected")
                end += 2
            else:
                return offset
            self._comments.append((offset, end))
            offset = end

    def _value(self, offset: int, depth: int) -> tuple[object, Marks, int]:
        """The value that begins at `offset`, its marks, and the offset behind it."""
        character = self._text[offset : offset + 1]
        if character == '"':
            value, end = self._string(offset)
            return value, offset, end
        if character == "{" or character == "[":
            if depth == MAX_DEPTH:
                raise self._error(offset, f"there are more than {MAX_DEPTH} objects and lists inside each other")
            self._containers += 1
            if self._containers > MAX_CONTAINERS:
                raise self._error(offset, f"there are more than {MAX_CONTAINERS} objects and lists")
            return self._object(offset, depth + 1) if character == "{" else self._list(offset, depth + 1)
        if character == "'":
            raise self._error(offset, "text must be in double quotes, not in single ones")
        word = _WORD(self._text, offset)
        if word is not None:
            if word[0] in _LITERALS:
                return _LITERALS[word[0]], offset, word.end()
            number = _NUMBER(self._text, offset)
            if number is not None and number.end() == word.end():
                return self._number(number), offset, number.end()
        raise self._error(offset, f"a value was expected, not {self._found(offset)}")

    def _number(self, match: re.Match[str]) -> int | float:
        if match.end() - match.start() > MAX_NUMBER_CHARS:
            raise self._error(match.start(), f"a number must not have more than {MAX_NUMBER_CHARS} characters")
        if match[1] is None and match[2] is None:
            return int(match[0])
        number = float(match[0])
        if isinf(number):
            raise self._error(match.start(), "the number is too large")
        return number

    def _object(self, start: int, depth: int) -> tuple[object, Marks, int]:
        text = self._text
        values: dict[str, object] = {}
        marks = ObjectMarks(start)
        offset = self._skip(start + 1)
        while not text.startswith("}", offset):
            key_offset = offset
            usual = _USUAL_KEY(text, offset)
            if usual is not None:
                key, offset = usual[1], usual.end()
                if text[offset : offset + 1] in _COMMENT_STARTS:
                    offset = self._skip(offset)
            else:
                key, offset = self._key(offset)
            if key in values:
                self._duplicate(key, key_offset, marks.keys[key])
            values[key], marks.values[key], offset = self._value(offset, depth)
            marks.keys[key] = key_offset
            offset = self._after_item(offset, "}")
        marks.end = offset
        return values, marks, offset + 1

    def _key(self, offset: int) -> tuple[str, int]:
        """The key that begins at `offset`, and the offset of its value."""
        if not self._text.startswith('"', offset):
            raise self._error(offset, f"a key in double quotes or `}}` was expected, not {self._found(offset)}")
        key, offset = self._string(offset)
        offset = self._skip(offset)
        if not self._text.startswith(":", offset):
            raise self._error(offset, f"`:` was expected after the key, not {self._found(offset)}")
        return key, self._skip(offset + 1)

    def _list(self, start: int, depth: int) -> tuple[object, Marks, int]:
        values: list[object] = []
        marks = ListMarks(start)
        offset = self._skip(start + 1)
        while not self._text.startswith("]", offset):
            value, inner, offset = self._value(offset, depth)
            values.append(value)
            marks.items.append(inner)
            offset = self._after_item(offset, "]")
        marks.end = offset
        return values, marks, offset + 1

    def _after_item(self, offset: int, closing: str) -> int:
        """The offset of the next item, or of `closing`."""
        usual = _USUAL_COMMA(self._text, offset)
        if usual is not None:
            offset = usual.end()
            return self._skip(offset) if self._text[offset : offset + 1] in _COMMENT_STARTS else offset
        offset = self._skip(offset)
        if self._text.startswith(",", offset):
            return self._skip(offset + 1)
        if not self._text.startswith(closing, offset):
            raise self._error(offset, f"`,` or `{closing}` was expected, not {self._found(offset)}")
        return offset

    def _duplicate(self, key: str, offset: int, first: int) -> None:
        line, column = _line_column(self._line_starts, offset)
        first_line = _line_column(self._line_starts, first)[0]
        fault = Fault(line, column, f'the key "{key}" is here twice; the first is on line {first_line}')
        if len(self._duplicates) == MAX_DUPLICATES:
            raise JsonError(fault)
        self._duplicates.append(fault)

    def _string(self, start: int) -> tuple[str, int]:
        """The text whose opening quote is at `start`, and the offset behind its closing quote."""
        text = self._text
        end = _PLAIN_TEXT(text, start + 1).end()  # type: ignore[union-attr]
        if text.startswith('"', end):
            return text[start + 1 : end], end + 1
        parts: list[str] = []
        begin = start + 1
        while True:
            parts.append(text[begin:end])
            if text.startswith('"', end):
                value = "".join(parts)
                self._check_surrogates(value, start)
                return value, end + 1
            if not text.startswith("\\", end):
                if end == len(text):
                    raise self._error(start, 'this text is never closed: `"` was expected')
                raise self._error(end, f'`"` was expected before {self._found(end)}; write control characters as escapes')
            part, begin = self._escape(end)
            parts.append(part)
            end = _PLAIN_TEXT(text, begin).end()  # type: ignore[union-attr]

    def _escape(self, offset: int) -> tuple[str, int]:
        letter = self._text[offset + 1 : offset + 2]
        if letter in _ESCAPES:
            return _ESCAPES[letter], offset + 2
        if letter != "u":
            raise self._error(offset, 'one of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX was expected after the backslash')
        unit = self._unit(offset)
        if 0xD800 <= unit < 0xDC00 and self._text.startswith("\\u", offset + 6):
            low = self._unit(offset + 6)
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)), offset + 12
        return chr(unit), offset + 6

    def _unit(self, offset: int) -> int:
        digits = _HEX4(self._text, offset + 2)
        if digits is None:
            raise self._error(offset, "four hexadecimal digits were expected after \\u")
        return int(digits[0], 16)

    def _check_surrogates(self, value: str, start: int) -> None:
        if _LONE_SURROGATE(value) is not None:
            raise self._error(start, "this text holds half of a surrogate pair")
