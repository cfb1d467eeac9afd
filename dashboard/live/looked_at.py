"""Whether any hub looks at a node: what nobody looks at is not sent."""

from __future__ import annotations

from typing import Final

LOOKED_S: Final = 12.0
"""After the last word of a hub, which says every few seconds that it is there."""

MAX_HUBS: Final = 64


class Looked:
    """`seq` is the number of the last message to the hubs: who misses one asks for all."""

    __slots__ = ("_hubs", "seq")

    def __init__(self) -> None:
        self._hubs: dict[str, float] = {}
        self.seq = 0

    def note(self, hub: str, now: float) -> bool:
        """A hub is there. True: it was not before, or nothing was sent to it meanwhile."""
        is_new = self._hubs.get(hub, 0.0) <= now
        if len(self._hubs) >= MAX_HUBS:
            self._hubs = {name: until for name, until in self._hubs.items() if until > now}
        self._hubs[hub] = now + LOOKED_S
        return is_new

    def is_looked_at(self, now: float) -> bool:
        return any(until > now for until in self._hubs.values())
