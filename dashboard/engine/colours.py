"""JSON as coloured lines: pieces of text, each with what it is. Escaping is done by who writes the HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from dashboard.engine.secrets import MASK

Sort = Literal["", "key", "string", "number", "word", "comment", "mask"]
"""Empty: brackets, commas, space."""


class Piece(NamedTuple):
    sort: Sort
    text: str


_TOKEN: Final = re.compile(
    r"""
      (?P<comment> //[^\n]* | /\*.*?(?:\*/|\Z) | \#[^\n]* )
    | (?P<string> "(?:[^"\\\n]|\\.)*"? )
    | (?P<number> -?\d[\d.eE+-]* )
    | (?P<word> [A-Za-z_]\w* )
    | (?P<space> [^"\w/\#-]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COLON: Final = re.compile(r"\s*:")


def pieces(text: str) -> Iterator[Piece]:
    """All of `text`, in order, whatever it is: also JSON with comments, and broken JSON."""
    for match in _TOKEN.finditer(text):
        sort = match.lastgroup or ""
        found = match[0]
        if sort == "string":
            if _COLON.match(text, match.end()):
                yield Piece("key", found)
            else:
                yield Piece("mask" if MASK in found else "string", found)
        elif sort == "comment" or sort == "number" or sort == "word":
            yield Piece(sort, found)  # type: ignore[arg-type]
        else:
            yield Piece("", found)


def lines(text: str) -> list[list[Piece]]:
    """The pieces line by line; what spans several is cut at their ends."""
    result: list[list[Piece]] = [[]]
    for sort, found in pieces(text):
        for number, part in enumerate(found.split("\n")):
            if number:
                result.append([])
            if part:
                result[-1].append(Piece(sort, part))
    if result and not result[-1]:
        result.pop()
    return result
