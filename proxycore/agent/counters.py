"""What moved, from a worker's counters, which begin at zero with each worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from proxycore.messages.link import Moved

Kind = Literal["inbound", "outbound", "tunnel", "user"]

_SECTIONS: Final[Mapping[str, tuple[Kind, str]]] = {
    # of WorkerState: what it is called in Moved, and the key of its count of sessions or connections
    "inbounds": ("inbound", "accepted"),
    "outbounds": ("outbound", ""),
    "portals": ("tunnel", "opened"),
    "bridges": ("tunnel", "opened"),
    "users": ("user", ""),
}


class Counts(NamedTuple):
    up: int = 0
    down: int = 0
    opened: int = 0


WHOLE: Final[Mapping[str, None]] = dict.fromkeys(_SECTIONS)
"""As a patch: look everywhere."""

Place = tuple[str, str]
"""Section of WorkerState, and the name there."""


class Counters:
    """Of one instance: `seen` is what its worker last said, `moved` what came together since `take`."""

    __slots__ = ("_changed", "_moved", "_seen", "instance")

    def __init__(self, instance: int) -> None:
        self.instance = instance
        self._seen: dict[Place, Counts] = {}
        self._changed: set[Place] = set()
        self._moved: dict[tuple[Kind, str], Counts] = {}

    def begin(self, seen: Mapping[Place, Counts] | None = None) -> None:
        """Another worker counts from zero on; one that was found again, from what was `seen` of it."""
        self._changed.update(self._seen)
        self._seen = dict(seen or {})
        self._changed.update(self._seen)

    def observe(self, state: Mapping[str, Any], patch: Mapping[str, Any]) -> None:
        """`state` is the worker's after `patch`, which says where to look; a section that is no object there is new."""
        for section in _SECTIONS.keys() & patch.keys():
            names = state.get(section)
            if not isinstance(names, dict):
                names = {}
            part = patch[section]
            changed = part.keys() if isinstance(part, dict) else {name for at, name in self._seen if at == section} | names.keys()
            for name in changed:
                self._observe_one((section, name), names.get(name))

    def user_bytes(self) -> dict[str, int]:
        """What each user moved since `take`, both ways."""
        return {name: counts.up + counts.down for (kind, name), counts in self._moved.items() if kind == "user"}

    def take(self) -> tuple[list[Moved], dict[Place, Counts | None]]:
        """What moved, and what is to be remembered of the worker: places that changed, None where they are gone."""
        moved = [
            Moved(instance=self.instance, kind=kind, name=name[:255], up=one.up, down=one.down, opened=one.opened)
            for (kind, name), one in self._moved.items()
        ]
        changed = {place: self._seen.get(place) for place in self._changed}
        self._moved = {}
        self._changed = set()
        return moved, changed

    def _observe_one(self, place: Place, entry: object) -> None:
        if not isinstance(entry, dict):
            if self._seen.pop(place, None) is not None:
                self._changed.add(place)
            return
        kind, opened_key = _SECTIONS[place[0]]
        now = Counts(_count(entry, "up"), _count(entry, "down"), _count(entry, opened_key))
        before = self._seen.get(place, Counts())
        if now == before:
            return
        if any(new < old for new, old in zip(now, before, strict=True)):
            before = Counts()           # it was taken out of the document, and came back: it began anew
        self._seen[place] = now
        self._changed.add(place)
        at = (kind, place[1])
        self._moved[at] = Counts(*_add(self._moved.get(at, Counts()), now, before))


def _add(total: Counts, now: Counts, before: Counts) -> Iterator[int]:
    return (sum_ + new - old for sum_, new, old in zip(total, now, before, strict=True))


def _count(entry: Mapping[str, Any], key: str) -> int:
    value = entry.get(key, 0)
    return value if isinstance(value, int) and value >= 0 else 0
