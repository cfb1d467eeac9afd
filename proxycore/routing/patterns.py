r"""Patterns of documents and lists (`regexp:`), by the engine that they were written for: RE2, which is Go's, too.

It takes time in proportion to a name's length, whatever the pattern: peers choose the names. Classes are of ASCII: `\d` is 0-9.
Source: https://github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, Final

import re2

MAX_PATTERN_CHARS: Final = 4096
PATTERN_MEMORY_BYTES: Final = 512 * 1024        # of one pattern, with what its engine has learned of names
SET_PATTERNS: Final = 128                       # looked for at once
SET_MEMORY_BYTES: Final = 8 * 1024 * 1024
_LARGE: Final = 500                             # instructions of a pattern that is looked for by itself

_ANYTHING: Final = b""                          # a pattern that is found in every text


def _options(memory_bytes: int) -> Any:
    options = re2.Options()
    options.max_mem = memory_bytes
    options.log_errors = False                  # to standard error
    return options


_OF_PATTERN, _OF_SET = _options(PATTERN_MEMORY_BYTES), _options(SET_MEMORY_BYTES)


class Pattern:
    """One, found anywhere in a text. Raises ValueError for one that RE2 does not know, or that is too large."""

    __slots__ = ("_search", "is_large", "text")

    def __init__(self, text: str) -> None:
        if len(text) > MAX_PATTERN_CHARS:
            raise ValueError(f"the pattern is longer than {MAX_PATTERN_CHARS} characters")
        self.text = text
        try:
            compiled = re2.compile(_encoded(text), _OF_PATTERN)
        except re2.error as error:
            raise ValueError(f"the pattern does not compile: {_words(error)}") from None
        self._search = compiled.search
        self.is_large = compiled.programsize > _LARGE

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def found_in(self, text: str) -> str | None:
        """What of `text` fits; it may be empty."""
        match = self._search(_encoded(text))
        return None if match is None else match[0].decode(errors="replace")

    def find_in(self, data: bytes) -> Pattern | None:
        """Itself, if it is found in this text."""
        return None if self._search(data) is None else self


class Patterns:
    """Many, of which any may be found: a thousand are looked for in a microsecond or two."""

    __slots__ = ("_count", "_parts")

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        listed = list(patterns)
        self._count = len(listed)
        small = [one for one in listed if not one.is_large]
        sets = (_Set(small[start : start + SET_PATTERNS]) for start in range(0, len(small), SET_PATTERNS))
        self._parts: list[_Set | Pattern] = [*sets, *(one for one in listed if one.is_large)]

    def __len__(self) -> int:
        return self._count

    def find(self, text: str) -> Pattern | None:
        """One that is found in `text`."""
        if not self._parts:
            return None
        data = _encoded(text)
        for part in self._parts:
            found = part.find_in(data)
            if found is not None:
                return found
        return None


class _Set:
    """Some that are looked for at once."""

    __slots__ = ("_match", "_patterns")

    def __init__(self, patterns: list[Pattern]) -> None:
        self._patterns = patterns
        made = re2.Set.SearchSet(_OF_SET)
        for text in chain((_encoded(pattern.text) for pattern in patterns), (_ANYTHING,)):
            made.Add(text)
        self._match: Callable[[bytes], list[int] | None] = made.Match
        try:
            made.Compile()
        except re2.error:
            self._match = lambda data: None     # all of them are too large together

    def find_in(self, data: bytes) -> Pattern | None:
        found = self._match(data)
        if not found:               # not even what is found in everything: its memory does not suffice
            return next((one for one in self._patterns if one.find_in(data) is not None), None)
        first = min(found)
        return self._patterns[first] if first < len(self._patterns) else None


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _words(error: Any) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
