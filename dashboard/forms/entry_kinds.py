"""The groups of fields for every kind of entry, and for clients of inbounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dashboard.engine.content import Kind
from dashboard.forms.entry_fields import NETWORK_NAMES, Group, groups_of, simple_field
from dashboard.forms.places import ABSENT, value_at
from dashboard.forms.schema_fields import SchemaField

_STRATEGIES = ("random", "roundRobin", "leastPing", "leastLoad")
_LOGIN_PROTOCOLS = frozenset({"socks", "mixed", "http"})


@dataclass(frozen=True, slots=True)
class Tags:
    """What an instance has that others may name."""

    inbounds: tuple[str, ...] = ()
    outbounds: tuple[str, ...] = ()
    balancers: tuple[str, ...] = ()


def entry_groups(kind: Kind, entry: object, tags: Tags) -> list[Group]:
    """All groups of an entry, which need not be complete."""
    if kind in (Kind.INBOUND, Kind.OUTBOUND):
        protocol = value_at(entry, ("protocol",))
        return _open(groups_of("inbound" if kind is Kind.INBOUND else "outbound", str(protocol or ""), entry), entry)
    if kind is Kind.RULE:
        return _open(_rule(tags, entry), entry)
    return _open({Kind.BALANCER: _balancer, Kind.PORTAL: _portal, Kind.BRIDGE: _bridge}[kind](tags), entry)


def client_groups(protocol: str, entry: object) -> list[Group]:
    """Of a client of an inbound with this protocol."""
    level = simple_field(("level",), "number", "Level", "Which policy level applies; none: level 0.", low=0)
    email = simple_field(("email",), "text", "E-mail", "A name for rules, statistics and logs; it need not be an address.", "")
    if protocol in _LOGIN_PROTOCOLS:
        fields = [
            simple_field(("user",), "text", "User", "What the client logs in as.", required=True),
            simple_field(("pass",), "secret", "Password", "", required=True),
        ]
    elif protocol in ("trojan", "shadowsocks"):
        fields = [simple_field(("password",), "secret", "Password", "", required=True), email, level]
    else:
        fields = [simple_field(("id",), "secret", "ID", "A UUID. Who has it may connect.", required=True), email, level]
        if protocol == "vless":
            reverse = ("reverse", "tag")
            fields.append(simple_field(reverse, "text", "Reverse tunnel", "Rules send connections into this client by this tag."))
    return _open([Group("Client", tuple(fields))], entry)


def _portal(tags: Tags) -> list[Group]:
    return [Group("Portal", (
        simple_field(("tag",), "text", "Tag", "Rules send connections into the tunnel by it.", required=True),
        simple_field(("domain",), "text", "Domain", "Any name; the bridge has the same, letter by letter. It is never looked up.",
                     required=True),
    ))]  # fmt: skip


def _bridge(tags: Tags) -> list[Group]:
    return [Group("Bridge", (
        simple_field(("tag",), "text", "Tag", "What comes out of the tunnel has it as its inbound tag in rules.", required=True),
        simple_field(("domain",), "text", "Domain",
                     "The portal's, letter by letter. A rule for it has to lead to the outbound that reaches the portal.",
                     required=True),
    ))]  # fmt: skip


def _rule(tags: Tags, entry: object) -> list[Group]:
    source = "sourceIP" if value_at(entry, ("sourceIP",)) is not ABSENT else "source"     # its newer name
    inbounds = f"One tag a line. There are: {', '.join(tags.inbounds[:20])}." if tags.inbounds else "One tag a line."
    return [
        Group("Goes to", (
            simple_field(("outboundTag",), "choice", "Outbound or portal", "", choices=tags.outbounds),
            simple_field(("balancerTag",), "choice", "Or balancer", "", choices=tags.balancers),
            simple_field(("ruleTag",), "text", "Name of the rule", "For logs and for Explain."),
        )),
        Group("What it takes: all that is filled in has to fit", (
            simple_field(("inboundTag",), "lines", "Comes in by", inbounds),
            simple_field(("domain",), "lines", "Domain", "One a line: full:, domain:, keyword:, regexp:, geosite:, or a part."),
            simple_field(("ip",), "lines", "Address", "One a line: 192.0.2.1, 10.0.0.0/8, geoip:private."),
            simple_field(("port",), "port", "Port", "443, 1000-2000, 53,443."),
            simple_field(("network",), "text", "Network", "tcp, udp, or both: tcp,udp."),
        )),
        Group("More to match", (
            simple_field((source,), "lines", "Source address", "One a line."),
            simple_field(("sourcePort",), "port", "Source port", ""),
            simple_field(("localPort",), "port", "Local port", "The port that the client connected to."),
            simple_field(("user",), "lines", "User", "E-mails, one a line; regexp: for a pattern."),
            simple_field(("protocol",), "lines", "Sniffed protocol", "http, tls, quic, bittorrent; the inbound has to sniff."),
            simple_field(("attrs",), "json", "HTTP attributes", 'For example {":method": "GET"}.'),
        ), is_advanced=True),
    ]  # fmt: skip


def _balancer(tags: Tags) -> list[Group]:
    there = f" There are: {', '.join(tags.outbounds[:20])}." if tags.outbounds else ""
    return [Group("Balancer", (
        simple_field(("tag",), "text", "Tag", "Rules send connections to it by this.", required=True),
        simple_field(("selector",), "lines", "Selects", f"One a line: outbounds whose tags begin so.{there}", required=True),
        simple_field(("strategy", "type"), "choice", "Strategy", "leastPing and leastLoad need an observatory.", "random",
                     choices=_STRATEGIES),
        simple_field(("fallbackTag",), "choice", "Falls back to", "Where it goes when none works.", choices=tags.outbounds),
    ))]  # fmt: skip


def _open(groups: Sequence[Group], entry: object) -> list[Group]:
    """With what the entry says now among the choices, so that sending a form back never loses a word that it does not know."""
    return [replace(group, fields=tuple(_with_current(field, entry) for field in group.fields)) for group in groups]


def _with_current(field: SchemaField, entry: object) -> SchemaField:
    value = value_at(entry, field.place)
    if field.kind != "choice" or not isinstance(value, str) or not value:
        return field
    known = {choice.lower() for choice in field.choices}
    if value.lower() in known or NETWORK_NAMES.get(value.lower(), "") in known:
        return field
    return replace(field, choices=(*field.choices, value))
