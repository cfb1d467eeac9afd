"""One that looks, as the hub sees it; and what a hub reads from the database."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any, Final, NamedTuple

from dashboard.live.rights import Looker
from dashboard.models import Node, NodeEvent
from dashboard.services.events import as_json

SLOW_S: Final = 3.0
"""Who has not said for so long that the last word arrived gets nothing else either: events, sessions, lines of a log."""


class MessageTooOld(ValueError):
    """A version was acknowledged that was not told."""


class Browser(ABC):
    """`awaited`: the last version that it was told. `is_waiting`: it has not said yet that it has it."""

    def __init__(self, looker: Looker) -> None:
        self.looker = looker
        self.awaited = 0
        self.is_waiting = False
        self.is_behind = False
        self._told_at = 0.0

    @property
    def is_slow(self) -> bool:
        return self.is_waiting and time.monotonic() - self._told_at > SLOW_S

    async def tell(self, version: int, text: str) -> None:
        """State, which is to be acknowledged."""
        self.told(version)
        await self.send(text)

    def told(self, version: int) -> None:
        self.awaited, self.is_waiting, self._told_at = version, True, time.monotonic()

    @abstractmethod
    async def send(self, text: str) -> None: ...

    @abstractmethod
    async def end(self, code: int, reason: str) -> None: ...


def last_events(count: int) -> list[dict[str, Any]]:
    """Oldest first."""
    return [as_json(row) for row in reversed(list(NodeEvent.objects.order_by("-pk")[:count]))]


class ListedNode(NamedTuple):
    """`seen`: when it was last heard of, Unix seconds; 0: never."""

    name: str
    standing: str
    is_up: bool
    seen: int


def listed_nodes() -> dict[str, ListedNode]:
    """By their numbers as text."""
    rows = Node.objects.values_list("pk", "name", "state", "is_up", "last_seen_at")
    return {
        str(pk): ListedNode(name, state, is_up, int(seen.timestamp()) if seen is not None else 0)
        for pk, name, state, is_up, seen in rows}
