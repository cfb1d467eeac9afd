"""One condition of a rule: the part that every kind of matcher shares."""

from __future__ import annotations

from typing import Literal, TypeAlias

from proxycore.destination import Request

Side: TypeAlias = Literal["destination", "source", "local"]

_SHOWN_ENTRIES = 3


class Condition:
    """Says of a request whether it holds. A rule matches when all its conditions hold."""

    __slots__ = ()

    def holds(self, request: Request) -> bool:
        """Whether `request` fulfils the condition; what is not known about the request fulfils nothing."""
        raise NotImplementedError

    def why(self, request: Request) -> str:
        """The same answer as one clause for people."""
        raise NotImplementedError


def some_of(entries: list[str]) -> str:
    """The entries as text, the first few of them if they are many."""
    shown = ", ".join(entries[:_SHOWN_ENTRIES])
    return shown if len(entries) <= _SHOWN_ENTRIES else f"{shown} and {len(entries) - _SHOWN_ENTRIES} more"
