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
        fields = self.value
        if isinstance(fields, dict):
            for name in names:
                value, spelling = fields.get(name), name
                if value is None and name not in fields:
                    spelling = _spelling(fields, name) or name
                    value = fields.get(spelling)
                if value is not None:
                    return Node(value, (*self.loc, spelling))
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


def _spelling(fields: dict[str, object], name: str) -> str | None:
    folded = name.lower()
    for key in fields:
        if key.lower() == folded:
            return key
    return None


def shown(text: str) -> str:
    """Text of a document inside a message: in quotes, cut to a readable length."""
    return f'"{text}"' if len(text) <= _SHOWN_CHARS else f'"{text[:_SHOWN_CHARS]}..."'


def root_of(parsed: Parsed) -> Node:
    return Node(parsed.value, ())
