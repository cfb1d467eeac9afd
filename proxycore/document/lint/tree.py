"""A value of a document together with its place; reading it never fails, whatever the document says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxycore.document.jsonc import Loc, Parsed

_SHOWN_CHARS = 64


class Node:
    """The value at `loc`. As in the Go cores keys fit in any letter case, and null is as if the key were absent."""

    __slots__ = ("loc", "value")

    def __init__(self, value: object, loc: Loc) -> None:
        self.value: Final = value
        self.loc: Final = loc

    @property
    def exists(self) -> bool:
        return self.value is not None

    @property
    def is_given(self) -> bool:
        """Whether it says something: an empty list, object or text is as if it were absent."""
        return self.value is not None and self.value not in ("", [], {})

    @property
    def text(self) -> str:
        """The value if it is text, else an empty one."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def number(self) -> int | None:
        return self.value if isinstance(self.value, int) and not isinstance(self.value, bool) else None

    @property
    def is_true(self) -> bool:
        return self.value is True

    def get(self, *names: str) -> Node:
        """The first of the fields that is there; a node without a value if none is."""
        for name in names:
            spelling = self._spelling(name)
            if spelling is not None and isinstance(self.value, dict) and self.value[spelling] is not None:
                return Node(self.value[spelling], (*self.loc, spelling))
        return Node(None, (*self.loc, names[0]))

    def items(self) -> list[Node]:
        """The entries of a list; none if it is no list."""
        values = self.value if isinstance(self.value, list) else []
        return [Node(value, (*self.loc, number)) for number, value in enumerate(values)]

    def fields(self) -> Iterator[tuple[str, Node]]:
        """The keys of an object, as they are written, with their values."""
        if isinstance(self.value, dict):
            for key, value in self.value.items():
                yield key, Node(value, (*self.loc, key))

    def words(self) -> list[Node]:
        """The texts of a list, or of one text with commas (they all have its place then)."""
        if isinstance(self.value, str):
            return [Node(part, self.loc) for part in self.value.split(",")]
        return [item for item in self.items() if isinstance(item.value, str)]

    def _spelling(self, name: str) -> str | None:
        if not isinstance(self.value, dict):
            return None
        if name in self.value:
            return name
        folded = name.lower()
        return next((key for key in self.value if key.lower() == folded), None)


def shown(text: str) -> str:
    """Text of a document inside a message: in quotes, cut to a readable length."""
    return f'"{text}"' if len(text) <= _SHOWN_CHARS else f'"{text[:_SHOWN_CHARS]}..."'


def root_of(parsed: Parsed) -> Node:
    return Node(parsed.value, ())
