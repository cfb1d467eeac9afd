"""A document in parts: lists of entries, and the rest. What `parse` makes and `compile` takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from proxycore.api import Comment, Loc


class Kind(StrEnum):
    """The lists whose entries have tables of their own. (Clients of inbounds are another one.)"""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    PORTAL = "portal"
    BRIDGE = "bridge"
    RULE = "rule"
    BALANCER = "balancer"


LIST_PATHS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.INBOUND: ("inbounds",),
    Kind.OUTBOUND: ("outbounds",),
    Kind.PORTAL: ("reverse", "portals"),
    Kind.BRIDGE: ("reverse", "bridges"),
    Kind.RULE: ("routing", "rules"),
    Kind.BALANCER: ("routing", "balancers"),
}

CLIENT_LISTS: Final = ("clients", "users", "accounts")
"""The keys of an inbound's settings that list who may use it; the first one that is there counts."""

_ACCOUNT_PROTOCOLS: Final = frozenset({"socks", "mixed", "http"})

Body = dict[str, Any]


@dataclass(slots=True)
class Entry:
    """One entry. `body` is verbatim, but for the list of clients of an inbound, which are in `clients` then.

    `comments` have paths inside the entry. `place` is where it stood in its document; empty if it comes from none.
    `enabled` False leaves it out of documents. `pk` is of the row that holds it; None: there is none yet.
    `position` is that row's.
    """

    body: Body
    comments: list[Comment] = field(default_factory=list)
    clients: list[Entry] = field(default_factory=list)
    place: Loc = ()
    enabled: bool = True
    pk: int | None = None
    position: int = 0


@dataclass(slots=True)
class Content:
    """A whole document. `rest` is it with the lists emptied that `entries` hold; `comments` are those of the rest."""

    rest: Body
    comments: list[Comment] = field(default_factory=list)
    entries: dict[Kind, list[Entry]] = field(default_factory=lambda: {kind: [] for kind in Kind})


def spelling(value: object, name: str) -> str | None:
    """The key of an object that reads `name` in any letter case, the exact one first; None if there is none."""
    if not isinstance(value, dict):
        return None
    if name in value:
        return name
    folded = name.lower()
    return next((key for key in value if key.lower() == folded), None)


def get(value: object, *names: str) -> Any:
    """The value behind the first of the keys that is there and not null, as the cores read it; else None."""
    for name in names:
        key = spelling(value, name)
        if key is not None and isinstance(value, dict) and value[key] is not None:
            return value[key]
    return None


def list_place(value: object, path: tuple[str, ...]) -> Loc | None:
    """`path` as the document spells it, if there is a value at its end."""
    place: list[str] = []
    for name in path:
        key = spelling(value, name)
        if key is None or not isinstance(value, dict):
            return None
        place.append(key)
        value = value[key]
    return tuple(place)


def client_place(body: Body) -> Loc | None:
    """Where the list of clients of an inbound stands; None if there is none."""
    settings_key = spelling(body, "settings")
    settings = body.get(settings_key) if settings_key is not None else None
    if settings_key is None or not isinstance(settings, dict):
        return None
    for name in CLIENT_LISTS:
        key = spelling(settings, name)
        if key is not None and settings[key] is not None:
            return settings_key, key
    return None


def new_client_key(body: Body) -> str:
    """The key for clients of an inbound that has none yet."""
    return "accounts" if str(get(body, "protocol") or "").lower() in _ACCOUNT_PROTOCOLS else "clients"
