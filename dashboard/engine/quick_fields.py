"""The few values of an entry that are changed most: where it listens, where it goes. Pure; everything else is on its own page."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dashboard.engine.content import Body, Kind, get, spelling
from proxycore.api import Loc

MAX_CHARS: Final = 255
MAX_PORT: Final = 65535
_PORTS: Final = re.compile(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*")


class BadValue(ValueError):
    """`name` is the field's."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class QuickField:
    """`loc` is where it stands in the entry, or would. `value` is as it is typed. `sort`: host, port, ports (also ranges) or
    target (host:port)."""

    name: str
    label: str
    loc: Loc
    value: str
    sort: str
    hint: str = ""
    may_be_empty: bool = False


def quick_fields(kind: Kind, body: Body) -> list[QuickField]:
    """None for kinds that have none."""
    protocol = str(get(body, "protocol") or "").lower()
    if kind is Kind.INBOUND:
        return _of_inbound(body, protocol)
    if kind is Kind.OUTBOUND:
        return _of_outbound(body, protocol)
    return []


def with_values(fields: list[QuickField], body: Body, values: Mapping[str, str]) -> Body:
    """A new entry. A field without a value stays as it is. Raises BadValue."""
    changed: Body = copy.deepcopy(body)
    for field in fields:
        text = values.get(field.name, field.value).strip()
        if text != field.value:
            _put(changed, field.loc, _read(field, text))
    return changed


def _of_inbound(body: Body, protocol: str) -> list[QuickField]:
    listen = _field("listen", "listens on", body, ("listen",), "host", "every address", may_be_empty=True)
    fields = [listen, _field("port", "port", body, ("port",), "ports", "443, 1000-1010, 80,443")]
    if listen.value.startswith(("/", "@")):         # a socket of this host, which has no port
        del fields[1]
    if protocol in ("dokodemo-door", "tunnel"):
        settings = get(body, "settings")
        for name, label, keys, sort in (("to", "leads to", ("address", "rewriteAddress"), "host"),
                                        ("to_port", "port there", ("port", "rewritePort"), "port")):
            key = next((key for key in keys if get(settings, key) is not None), keys[0])
            fields.append(_field(name, label, body, ("settings", key), sort, may_be_empty=True))
    return fields


def _of_outbound(body: Body, protocol: str) -> list[QuickField]:
    if protocol in ("freedom", "direct"):
        return [_field("redirect", "leads to", body, ("settings", "redirect"), "target", "as the client asks",
                       may_be_empty=True)]
    settings = get(body, "settings")
    if get(settings, "address") is not None:
        server: Loc = ("settings",)
    else:
        key = next((key for key in ("vnext", "servers") if isinstance(get(settings, key), list) and get(settings, key)), "")
        if not key:
            return []
        server = ("settings", key, 0)
    return [_field("address", "server", body, (*server, "address"), "host"),
            _field("server_port", "port", body, (*server, "port"), "port")]


def _field(name: str, label: str, body: Body, path: Loc, sort: str, hint: str = "", *, may_be_empty: bool = False) -> QuickField:
    loc: list[str | int] = []
    value: Any = body
    for step in path:
        if isinstance(step, str):
            step = spelling(value, step) or step
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
        loc.append(step)
    shown = str(value) if isinstance(value, str) or type(value) is int else ""
    return QuickField(name, label, tuple(loc), shown, sort, hint, may_be_empty)


def _read(field: QuickField, text: str) -> str | int | None:
    """None: it is taken away."""
    if not text:
        if not field.may_be_empty:
            raise BadValue(field.name, "this is needed")
        return None
    if len(text) > MAX_CHARS or any(one.isspace() or not one.isprintable() for one in text):
        raise BadValue(field.name, "a name or an address is expected")
    if field.sort in ("port", "ports"):
        if text.isascii() and text.isdigit() and 0 < int(text) <= MAX_PORT:
            return int(text)
        if field.sort == "ports" and not text.isdigit() and _PORTS.fullmatch(text):
            return text
        raise BadValue(field.name, f"a port is a number from 1 to {MAX_PORT}")
    if field.sort == "target" and not re.fullmatch(r".*:\d{1,5}", text):
        raise BadValue(field.name, "host:port is expected")
    return text


def _put(body: Body, loc: Loc, value: str | int | None) -> None:
    place: Any = body
    for step in loc[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if value is None:
        place.pop(loc[-1], None)
    else:
        place[loc[-1]] = value
