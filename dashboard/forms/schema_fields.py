"""The fields of a form, from the JSON Schema of an entry's part."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dashboard.forms.places import ABSENT, Place, value_at

Kind: TypeAlias = Literal["text", "secret", "number", "port", "switch", "choice", "lines", "json"]
MAX_DEPTH = 5               # objects in objects; what lies deeper is edited as JSON
_SECRET_KEYS = frozenset({"id", "pass", "password", "key"})
_IGNORED = "ignored"        # descriptions of keys that old versions had
_FLAT_OR_LISTED = {"vnext": "address", "servers": "address"}     # a list, and the key that says it was written flat
_WORDS = re.compile(r"IPv[46]|[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_ACRONYMS = {
    "tls": "TLS", "tcp": "TCP", "udp": "UDP", "ip": "IP", "id": "ID", "sni": "SNI", "alpn": "ALPN", "http": "HTTP",
    "sha256": "SHA-256", "ipv4": "IPv4", "ipv6": "IPv6", "mptcp": "MPTCP",
}  # fmt: skip
_OF_A_FLAT_SERVER = frozenset({
    "address", "port", "id", "user", "pass", "level", "email", "security", "encryption", "flow", "experiments", "alterId",
})


@dataclass(frozen=True, slots=True)
class SchemaField:
    """One value of an entry. `default` is what it is without being written (ABSENT: there is none)."""

    place: Place
    kind: Kind
    label: str
    help: str
    default: Any
    required: bool
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None

    @property
    def name(self) -> str:
        """Of the form's field."""
        return "__".join(str(step) for step in self.place)


def fields_of(schema: Mapping[str, Any], at: Place, entry: object, *, skip: frozenset[str] = frozenset()) -> list[SchemaField]:
    """The fields of `schema`, which describes what stands at `at` in `entry`.

    Of a server that can be written in two ways, flat or in a list, the one that `entry` has is taken, else the list. Keys in
    `skip` are left out.
    """
    return list(_object_fields(schema, schema.get("$defs", {}), at, entry, skip, is_needed=True))


def label_of(key: str) -> str:
    """`heartbeatPeriod` as "Heartbeat period"."""
    words: list[str] = [_ACRONYMS.get(word.lower(), word.lower()) for word in _WORDS.findall(key)] or [key]
    return words[0][:1].upper() + words[0][1:] + "".join(f" {word}" for word in words[1:])


def _object_fields(
    schema: Mapping[str, Any], defs: Mapping[str, Any], at: Place, entry: object, skip: frozenset[str], *, is_needed: bool
) -> Iterator[SchemaField]:
    """`is_needed`: the object cannot be left out, so that what it requires is required of the person."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    required = frozenset(schema.get("required", ()))
    hidden = skip | _unused_form(properties, at, entry)
    for key, raw in properties.items():
        if key in hidden:
            continue
        found = _resolved(raw, defs)
        place = (*at, key)
        if _IGNORED in found.get("description", "") and value_at(entry, place) is ABSENT:
            continue
        needed = is_needed and key in required
        items = _resolved(found.get("items", {}), defs) if found.get("type") == "array" else {}
        if found.get("type") == "object" and "properties" in found and len(at) < MAX_DEPTH:
            yield from _object_fields(found, defs, place, entry, frozenset(), is_needed=needed)
        elif "properties" in items and (key in _FLAT_OR_LISTED or 1 in (found.get("minItems"), found.get("maxItems"))):
            must = is_needed and (key in _FLAT_OR_LISTED or needed)
            yield from _object_fields(items, defs, (*place, 0), entry, frozenset(), is_needed=must)
        else:
            yield _field(key, found, place, required=needed)


def _unused_form(properties: Mapping[str, Any], at: Place, entry: object) -> frozenset[str]:
    """Keys of the way to write a server that the entry does not use."""
    for listed, marker in _FLAT_OR_LISTED.items():
        if listed not in properties or marker not in properties:
            continue
        if value_at(entry, (*at, marker)) is not ABSENT:
            return frozenset({listed})
        return _OF_A_FLAT_SERVER & frozenset(properties)
    for winner, other in (("clients", "users"), ("accounts", "users")):
        if winner in properties and other in properties:
            return frozenset({winner, other})       # people who may connect have pages of their own
    return frozenset()


def _resolved(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """Without `$ref`, and without the null of what may be absent; what stands beside those is kept."""
    found = dict(schema)
    if "$ref" in found:
        name = str(found.pop("$ref")).rpartition("/")[2]
        found = {**defs.get(name, {}), **found}
    if "anyOf" in found:
        members = [member for member in found["anyOf"] if member.get("type") != "null"]
        if len(members) == 1:
            outer = {key: value for key, value in found.items() if key not in ("anyOf", "default")}
            found = {**_resolved(members[0], defs), **outer}
    return found


def _field(key: str, schema: Mapping[str, Any], place: Place, *, required: bool) -> SchemaField:
    default = schema.get("default", ABSENT)
    if default is None:
        default = ABSENT
    enum = tuple(str(word) for word in schema.get("enum", ()) if isinstance(word, str))
    if "const" in schema and isinstance(schema["const"], str):
        enum = (schema["const"],)
    return SchemaField(
        place, _kind(key, schema, default, enum), label_of(key), schema.get("description", ""), default, required, enum,
        schema.get("minimum"), schema.get("maximum"),
    )


def _kind(key: str, schema: Mapping[str, Any], default: object, enum: tuple[str, ...]) -> Kind:
    """Schemas say no type where the value has several forms; the default's type is the usual one then."""
    type_name = schema.get("type") or {
        bool: "boolean", int: "integer", str: "string", list: "array", tuple: "array",
    }.get(type(default), "")
    if enum:
        return "choice"
    if key == "headers":
        return "json"           # names and values
    if type_name == "boolean":
        return "switch"
    if type_name == "integer":
        return "number"
    if type_name == "string" or "anyOf" in schema:
        return "secret" if key.lower() in _SECRET_KEYS else "text"
    if type_name == "array":
        items = schema.get("items", {})
        return "lines" if not items or items.get("type") == "string" else "json"
    return "json" if type_name == "object" else "text"
