"""What several hold on to while it may be replaced for all of them at once."""

from __future__ import annotations

from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class Current(Generic[ValueT]):
    """`value` is the one of now. Connections that an inbound accepted under earlier settings see those of now by it."""

    __slots__ = ("value",)

    def __init__(self, value: ValueT) -> None:
        self.value = value

    def follow(self, newer: Current[ValueT]) -> Current[ValueT]:
        """Take the value of `newer`, in whose place this one goes on. Returns itself."""
        self.value = newer.value
        return self
