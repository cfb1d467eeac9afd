"""Credentials that end before their document does: which are out by now, and the document without them.

Nothing is read again: the entry of an inbound is replaced by the same one without those credentials, and that document
applied. So their connections end as those of removed credentials do, and no others.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, Literal

from proxycore.document.model import Inbound, LoadedDocument
from proxycore.document.places import parse_path
from proxycore.messages.worker import Limit
from proxycore.protocols.base import Settings

Reason = Literal["expired", "used_up", "switched_off"]
Moved = Callable[[str], int]
"""Bytes of an e-mail, both ways, so far."""

_LISTS: Final = frozenset({"clients", "users", "accounts"})


class _Limited:
    """One credential. `until`: what its e-mail may have moved."""

    __slots__ = ("expires_at", "limit", "place", "reason", "until")

    def __init__(self, limit: Limit, moved: Moved) -> None:
        self.limit = limit
        self.place = parse_path(limit.path)
        self.reason: Reason | None = None
        self.until = None if limit.bytes_left is None else moved(limit.email) + limit.bytes_left

    def look(self, now: float, moved: Moved) -> bool:
        """Whether it is out, and was not before."""
        if self.reason is not None:
            return False
        limit = self.limit
        if limit.expires_at is not None and limit.expires_at <= now:
            self.reason = "expired"
        elif self.until is not None and moved(limit.email) >= self.until:
            self.reason = "used_up" if limit.bytes_left else "switched_off"
        return self.reason is not None


class Limits:
    """Of one document. `now` is Unix time in seconds."""

    def __init__(self, limits: Iterable[Limit], now: float, moved: Moved) -> None:
        found = [_Limited(limit, moved) for limit in limits]
        self._counted = [one for one in found if one.until is not None]
        dated = (one for one in found if one.limit.expires_at is not None)
        self._dated = sorted(dated, key=lambda one: one.limit.expires_at or 0)
        self._out: list[_Limited] = []
        self.look(now, moved)

    @property
    def count_bytes(self) -> bool:
        """Whether `moved` is asked at all."""
        return bool(self._counted)

    @property
    def out(self) -> list[tuple[Limit, Reason]]:
        """Those that are out."""
        return [(one.limit, one.reason) for one in self._out if one.reason is not None]

    def look(self, now: float, moved: Moved) -> list[tuple[Limit, Reason]]:
        """Those that are out since the last look."""
        due = []
        for number, one in enumerate(self._dated):
            if (one.limit.expires_at or 0) > now:
                del self._dated[:number]
                break
            due.append(one)
        else:
            self._dated.clear()
        new = [one for one in (*due, *self._counted) if one.look(now, moved)]
        if new:
            self._counted = [one for one in self._counted if one.reason is None]
            self._out += new
        return [(one.limit, one.reason) for one in new if one.reason is not None]

    def without_those_out(self, loaded: LoadedDocument) -> LoadedDocument:
        """`loaded` itself, where none is."""
        by_inbound: dict[str, dict[str, set[int]]] = {}
        for one in self._out:
            place = one.place
            if len(place) != 5 or place[0] != "inbounds" or place[2] != "settings" or place[3] not in _LISTS:
                continue
            if isinstance(place[1], int) and isinstance(place[4], int):
                by_inbound.setdefault(f"inbounds[{place[1]}]", {}).setdefault(str(place[3]), set()).add(place[4])
        if not by_inbound:
            return loaded
        document = loaded.document
        inbounds = tuple(_without(inbound, by_inbound.get(inbound.path, {})) for inbound in document.inbounds)
        return replace(loaded, document=replace(document, inbounds=inbounds))


def _without(inbound: Inbound, out: dict[str, set[int]]) -> Inbound:
    settings = inbound.settings
    update: dict[str, object] = {}
    for name, numbers in out.items():
        entries = getattr(settings, name, None)
        if not isinstance(entries, tuple):
            continue
        left = tuple(entry for number, entry in enumerate(entries) if number not in numbers)
        update[name] = left or _nobody(entries[0])
    return replace(inbound, settings=settings.model_copy(update=update)) if update else inbound


def _nobody(entry: object) -> tuple[Settings, ...]:
    """Where nobody is left: for a proxy with passwords no accounts at all would mean that everybody may come."""
    if isinstance(entry, Settings) and hasattr(entry, "password"):
        return (entry.model_copy(update={"user": secrets.token_hex(16), "password": secrets.token_hex(16)}),)
    return ()
