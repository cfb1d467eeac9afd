"""Values that occur all over a document: words of a fixed set, and lists that may be written as one text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, PlainValidator

from proxycore.document.nearest import did_you_mean

T = TypeVar("T")


def one_of(words: Mapping[str, T]) -> Callable[[object], T]:
    """Reads one of `words` (given in lower case) in any letter case. Raises ValueError with a suggestion."""

    def read_word(value: object) -> T:
        if not isinstance(value, str):
            raise ValueError(f"one of {', '.join(word for word in words if word)} is expected")
        if value.lower() in words:
            return words[value.lower()]
        hint = did_you_mean(value, words)
        expected = ", ".join(word for word in words if word)
        raise ValueError(f'"{value[:40]}" is not one of {expected}' + (f"; {hint}" if hint else ""))

    return read_word


def _split(value: object) -> object:
    """`"a,b"` as `["a", "b"]`. Blanks stay, as in Xray: they would belong to the entry."""
    if isinstance(value, str):
        return value.split(",")
    if not isinstance(value, list):
        raise ValueError("a list, or text with commas, is expected")
    return value


def read_entry(value: object) -> str:
    """One entry of a list: a text, neither empty nor with blanks around it. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("text is expected")
    if not value:
        raise ValueError("the entry is empty")
    if value != value.strip():
        raise ValueError("the entry has blanks around it, which Xray takes for a part of it")
    return value


Text = Annotated[str, PlainValidator(read_entry)]
Split = BeforeValidator(_split)


def parsed(parse: Callable[[str], T]) -> PlainValidator:
    """One entry of a list, read by `parse`, which raises ValueError."""
    return PlainValidator(lambda value: parse(read_entry(value)))
