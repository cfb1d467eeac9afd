"""Tunnels that take no new clients for now: carriers stay, and sessions that run go on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Pause(NamedTuple):
    kind: str           # "portal" or "bridge": which end of the tunnel is here
    tag: str


class Paused:
    """Those of one instance. Portals and bridges look with each new session, so it holds at once."""

    __slots__ = ("bridges", "portals")

    def __init__(self) -> None:
        self.portals: frozenset[str] = frozenset()
        self.bridges: frozenset[str] = frozenset()

    def use(self, pauses: Iterable[Pause]) -> tuple[list[Pause], list[Pause]]:
        """These are all from now on. Those that were not before, and those that are no more."""
        before, now = self._all(), set(pauses)
        self.portals = frozenset(one.tag for one in now if one.kind == "portal")
        self.bridges = frozenset(one.tag for one in now if one.kind == "bridge")
        return sorted(now - before), sorted(before - now)

    def _all(self) -> set[Pause]:
        return {Pause("portal", tag) for tag in self.portals} | {Pause("bridge", tag) for tag in self.bridges}
