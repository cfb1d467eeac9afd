"""Where values end in the text of a document, and the edits that change it without touching anything around them.

The text has been read by `jsonc` before, so it is known to be well formed.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right

from proxycore.document.jsonc import Loc, Parsed
from proxycore.document.lint.finding import Edit

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_WORD = re.compile(r"[A-Za-z0-9_$+.-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|#[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|#[^\n]*|/\*.*?\*/|[{}\[\],]|[A-Za-z0-9_$+.-]+', re.DOTALL)
_PERHAPS_TRAILING = re.compile(r",\s*(?:[}\]#]|//|/\*)").search       # in most documents there is none, which is quick to see
_COMMENT_STARTS = ("//", "#")


class Source:
    """A file's text and what was read from it."""

    __slots__ = ("_line_starts", "parsed", "text")

    def __init__(self, text: str, parsed: Parsed) -> None:
        self.text = text
        self.parsed = parsed
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def start(self, loc: Loc, *, of_key: bool = False) -> int:
        """The offset of the value at `loc`, which is there, or of its key."""
        line, column = self.parsed.line_column(loc, of_key=of_key)
        return self._line_starts[line - 1] + column - 1

    def line_column(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def end(self, loc: Loc) -> int:
        """The offset behind the value at `loc`."""
        return value_end(self.text, self.start(loc))

    def replace(self, loc: Loc, value: object) -> list[Edit]:
        """Another value instead of the one at `loc`."""
        return [Edit(self.start(loc), self.end(loc), json.dumps(value, ensure_ascii=False))]

    def rename(self, loc: Loc, key: str) -> list[Edit]:
        """Another key for the value at `loc`."""
        start = self.start(loc, of_key=True)
        return [Edit(start, value_end(self.text, start), json.dumps(key, ensure_ascii=False))]

    def insert_key(self, loc: Loc, key: str, value: object) -> list[Edit]:
        """A new first key of the object at `loc`, laid out as its present first one is."""
        brace = self.start(loc)
        first = after_blanks(self.text, brace + 1)
        item = f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        if self.text.startswith("}", first):
            return [Edit(brace + 1, brace + 1, f" {item} " if first == brace + 1 else f" {item}")]
        line_start = self.text.rfind("\n", 0, first) + 1
        indent = self.text[line_start:first]
        separator = f",\n{indent}" if line_start > brace and not indent.strip() else ", "
        return [Edit(first, first, item + separator)]

    def remove_item(self, loc: Loc) -> list[Edit]:
        """Take the item at `loc` out of its list, with the comments on the lines right above it and one comma."""
        *outer, number = loc
        start, end = self._block_start(self.start(loc)), self.end(loc)
        comma = after_blanks(self.text, end)
        if self.text.startswith(",", comma):
            return [Edit(start, end, ""), Edit(comma, comma + 1, "")] if comma > end else [Edit(start, comma + 1, "")]
        edits = [Edit(start, end, "")]
        if isinstance(number, int) and number > 0:
            comma = after_blanks(self.text, self.end((*outer, number - 1)))
            edits.insert(0, Edit(comma, comma + 1, ""))
        return edits

    def move_before(self, loc: Loc, other: Loc) -> list[Edit]:
        """Move an item of a list, with the comments on the lines right above it, to before an earlier one."""
        start, end = self._comment_start(self.start(loc)), self.end(loc)
        return [*self._insert_before(other, self.text[start:end]), *self.remove_item(loc)]

    def insert_item(self, loc: Loc, value: object) -> list[Edit]:
        """A new item before the one at `loc`."""
        return self._insert_before(loc, json.dumps(value, ensure_ascii=False))

    def _insert_before(self, loc: Loc, item: str) -> list[Edit]:
        target = self._comment_start(self.start(loc))
        line_start = self.text.rfind("\n", 0, target) + 1
        indent = self.text[line_start:target]
        separator = f",\n{indent}" if line_start and not indent.strip() else ", "
        return [Edit(target, target, item + separator)]

    def _comment_start(self, start: int) -> int:
        """Where the comments on lines of their own right above `start` begin."""
        while True:
            line_start = self.text.rfind("\n", 0, start) + 1
            if line_start == 0 or self.text[line_start:start].strip():
                return start
            above = self.text.rfind("\n", 0, line_start - 1) + 1
            line = self.text[above : line_start - 1]
            if not line.strip().startswith(_COMMENT_STARTS):
                return start
            start = above + len(line) - len(line.lstrip())

    def _block_start(self, start: int) -> int:
        """The same, with the line break and blanks before it where it begins a line."""
        start = self._comment_start(start)
        line_start = self.text.rfind("\n", 0, start) + 1
        if line_start and not self.text[line_start:start].strip():
            return line_start - 1
        return start


class ForeignSource(Source):
    """A text that is no JSON: what is odd about it is told, and never changed."""

    __slots__ = ()

    def __init__(self, parsed: Parsed) -> None:
        super().__init__("", parsed)

    def start(self, loc: Loc, *, of_key: bool = False) -> int:
        return 0

    def replace(self, loc: Loc, value: object) -> list[Edit]:
        return []

    def rename(self, loc: Loc, key: str) -> list[Edit]:
        return []

    def insert_key(self, loc: Loc, key: str, value: object) -> list[Edit]:
        return []

    def remove_item(self, loc: Loc) -> list[Edit]:
        return []

    def move_before(self, loc: Loc, other: Loc) -> list[Edit]:
        return []

    def insert_item(self, loc: Loc, value: object) -> list[Edit]:
        return []


def after_blanks(text: str, offset: int) -> int:
    """The offset after blanks and comments."""
    match = _BLANK.match(text, offset)
    return match.end() if match is not None else offset


def value_end(text: str, start: int) -> int:
    """The offset behind the value that begins at `start`."""
    if text[start : start + 1] not in ("{", "["):
        match = (_STRING if text.startswith('"', start) else _WORD).match(text, start)
        return match.end() if match is not None else start
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] in ("{", "["):
            depth += 1
        elif token[0] in ("}", "]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return len(text)


def trailing_commas(text: str) -> list[int]:
    """The offsets of commas that stand before a closing bracket."""
    found: list[int] = []
    if not _PERHAPS_TRAILING(text):
        return found
    comma = -1
    for token in _TOKEN.finditer(text):
        if token[0].startswith(("//", "/*", "#")):
            continue
        if token[0] in ("}", "]") and comma >= 0:
            found.append(comma)
        comma = token.start() if token[0] == "," else -1
    return found
