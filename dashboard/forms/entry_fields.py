"""All fields of an inbound or outbound, in the groups in which a person thinks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.engine import describe
from dashboard.forms.places import ABSENT, Place, value_at
from dashboard.forms.schema_fields import SchemaField, fields_of

NETWORKS = ("raw", "ws", "httpupgrade")
SECURITIES = ("none", "tls")
NETWORK_NAMES = {"tcp": "raw", "websocket": "ws"}       # other names of the same
_SETTINGS_OF_NETWORK = {"rawSettings": "raw", "wsSettings": "ws", "httpupgradeSettings": "httpupgrade"}
_MAX_LEVEL_OF_MUX = 32767


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that stand together. `shown_if`: the name of another field, and the value that it must have."""

    title: str
    fields: tuple[SchemaField, ...]
    shown_if: tuple[str, str] | None = None
    is_advanced: bool = False


def network_place(entry: object) -> Place:
    """`network`, unless the entry says `method`, its newest name, which older cores do not know."""
    newer: Place = ("streamSettings", "method")
    return newer if value_at(entry, newer) is not ABSENT else ("streamSettings", "network")


def groups_of(side: describe.Side, protocol: str, entry: object) -> list[Group]:
    """The groups for `entry`, which need not be complete. A protocol that is not run has common fields only."""
    schema = describe.settings_schema(side, protocol)
    groups = [Group("Basics", tuple(_basics(side)))]
    if schema is not None and (settings := fields_of(schema, ("settings",), entry)):
        groups.append(Group("Settings", tuple(settings)))
    groups += _transport(entry)
    groups.append(Group("Sniffing", tuple(_SNIFFING), is_advanced=True) if side == "inbound"
                  else Group("Way out", tuple(_WAY_OUT), is_advanced=True))
    return groups


def _transport(entry: object) -> list[Group]:
    fields = fields_of(describe.stream_schema(), ("streamSettings",), entry, skip=frozenset({"method", "network", "security"}))
    network = simple_field(network_place(entry), "choice", "Network", "How the bytes travel.", "raw", NETWORKS)
    security = simple_field(
        ("streamSettings", "security"), "choice", "Security", "What protects them on the way.", "none", SECURITIES)
    groups = [Group("Transport", (network, security))]
    by_part: dict[str, list[SchemaField]] = {}
    for field in fields:
        by_part.setdefault(str(field.place[1]), []).append(field)
    for part, name in _SETTINGS_OF_NETWORK.items():
        part_fields = by_part.get(part, [])
        groups.append(Group(_TITLES[part], tuple(part_fields), (network.name, name), is_advanced=name == "raw"))
    groups.append(Group(_TITLES["tlsSettings"], tuple(by_part.get("tlsSettings", [])), (security.name, "tls")))
    groups.append(Group(_TITLES["sockopt"], tuple(by_part.get("sockopt", [])), is_advanced=True))
    return [group for group in groups if group.fields]


_TITLES = {
    "rawSettings": "Raw", "wsSettings": "WebSocket", "httpupgradeSettings": "HTTPUpgrade", "tlsSettings": "TLS",
    "sockopt": "Socket options",
}  # fmt: skip


def simple_field(
    place: Place, kind: Any, label: str, help_text: str, default: Any = ABSENT, choices: Sequence[str] = (), *,
    required: bool = False, low: int | None = None, high: int | None = None,
) -> SchemaField:
    """A field that comes from no schema."""
    return SchemaField(place, kind, label, help_text, default, required, tuple(choices), low, high)


def _basics(side: describe.Side) -> list[SchemaField]:
    if side == "outbound":
        return [simple_field(("tag",), "text", "Tag", "How rules name it. Required for all but the first outbound.", "")]
    return [
        simple_field(("tag",), "text", "Tag", "How rules and statistics name it.", ""),
        simple_field(("listen",), "text", "Listen", "An address of the node. Empty: all of them, IPv4 and IPv6.", ""),
        simple_field(("port",), "port", "Port", 'One port, or several: "443", "1000-1010", "80,443".', required=True),
    ]


_SNIFFING = [
    simple_field(("sniffing", "enabled"), "switch", "Sniff", "Look for a name in the first bytes.", False),
    simple_field(("sniffing", "destOverride"), "lines", "Override by", "http, tls, quic: whose names replace the address."),
    simple_field(("sniffing", "routeOnly"), "switch", "Route only", "The name is for rules; the address is dialled.", False),
    simple_field(("sniffing", "metadataOnly"), "switch", "Metadata only", "Never wait for bytes.", False),
    simple_field(("sniffing", "domainsExcluded"), "lines", "Except domains", "Names that replace nothing."),
]
_WAY_OUT = [
    simple_field(("sendThrough",), "text", "Send through",
                 "A local address to connect from, a range, origin or srcip. Empty: the system's choice.", ""),
    simple_field(("proxySettings", "tag"), "text", "Through outbound", "Tag of an outbound that this one dials through.", ""),
    simple_field(("mux", "enabled"), "switch", "Mux", "Many connections on one. Never for a bridge's carrier.", False),
    simple_field(("mux", "concurrency"), "number", "Mux concurrency", "On one carrier; 0: eight; below 0: TCP is not muxed.", 0,
           low=-_MAX_LEVEL_OF_MUX, high=_MAX_LEVEL_OF_MUX),
]
