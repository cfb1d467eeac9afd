"""The rows that a tunnel is made of, as they are now, published or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from dashboard.engine.content import Body, Kind, get
from dashboard.engine.picture import conditions
from dashboard.engine.quick_fields import QuickField, quick_fields
from dashboard.engine.references import words
from dashboard.engine.tunnels import Door, End
from dashboard.models import Bridge, Inbound, Outbound, Portal, RoutingRule
from dashboard.models.entry import Entry
from dashboard.services.topology import Lane

MAX_PARTS: Final = 60
MAX_RULES: Final = 5000         # of an instance, that are looked through


@dataclass(frozen=True, slots=True)
class Part:
    """`what` it is in this tunnel, in words; `note` what it says. `fields`: what can be changed without going to its page."""

    what: str
    kind: Kind
    row: Entry
    note: str
    fields: list[QuickField]


def parts_of(lane: Lane) -> list[Part]:
    """In the way of a client's connection. A row that is two things is listed once."""
    found: dict[tuple[Kind, int], Part] = {}
    for part in (*_of_portal(lane), *(part for far in lane.bridges for part in _of_bridge(far.place.pk, far.end))):
        found.setdefault((part.kind, part.row.pk), part)
        if len(found) >= MAX_PARTS:
            break
    return list(found.values())


def _of_portal(lane: Lane) -> Iterator[Part]:
    portal = lane.portal
    if portal is None:
        return
    row = Portal.objects.filter(pk=portal.pk or 0).first() if portal.kind is Kind.PORTAL else None
    yield from _inbounds("entry", portal.doors)
    rules = RoutingRule.objects.filter(instance=lane.place.pk, outbound_tag=row.tag if row is not None else portal.tag)
    for rule in rules.order_by("position", "id")[:MAX_PARTS]:
        yield _rule(rule)
    if row is not None:
        yield _part("portal", Kind.PORTAL, row, row.domain)
    yield from _inbounds("for bridges", portal.carriers)


def _of_bridge(instance: int, end: End) -> Iterator[Part]:
    """The bridge, the rules for what comes from it, and the outbounds that they lead to."""
    row: Entry | None
    if end.kind is Kind.BRIDGE:
        row = Bridge.objects.filter(pk=end.pk or 0).first()
        if row is not None:
            yield _part("bridge", Kind.BRIDGE, row, row.domain)
    else:
        row = Outbound.objects.filter(pk=end.pk or 0).first()
        if row is not None:
            yield _part("bridge and its way out", Kind.OUTBOUND, row, "the tunnel of this client")
    tag = row.tag if isinstance(row, Bridge) else end.tag
    domain = row.domain.lower() if isinstance(row, Bridge) else end.domain
    ways: dict[str, bool] = {}      # tag of an outbound -> it is how the bridge reaches its portal
    for rule in RoutingRule.objects.filter(instance=instance).order_by("position", "id")[:MAX_RULES]:
        body = rule.entry
        if tag and tag in [one.strip() for one in words(get(body, "inboundTag"))]:
            yield _rule(rule)
            is_way_out = bool(domain) and any(domain in one.lower() for one in words(get(body, "domain", "domains")))
            ways[rule.outbound_tag] = ways.get(rule.outbound_tag, False) or is_way_out
    if end.via and end.kind is Kind.BRIDGE:
        ways.setdefault(end.via, True)
    tags = [tag for tag in ways if tag]
    outbounds = Outbound.objects.filter(instance=instance, tag__in=tags).order_by("position", "id")
    for outbound in sorted(outbounds, key=lambda one: not ways[one.tag]):
        what = "way to the portal" if ways[outbound.tag] else "way to the target"
        yield _part(what, Kind.OUTBOUND, outbound, outbound.protocol)


def _inbounds(what: str, doors: Iterable[Door]) -> Iterator[Part]:
    rows: dict[int, Any] = Inbound.objects.in_bulk([door.pk for door in doors if door.pk is not None])
    for door in doors:
        if door.pk in rows:
            yield _part(what, Kind.INBOUND, rows[door.pk], rows[door.pk].protocol)


def _rule(row: RoutingRule) -> Part:
    body = row.entry
    asked = ", ".join([*(f"from {one}" for one in _names(body)), *conditions(body)])
    return _part("rule", Kind.RULE, row, f"{asked or 'whatever it is'}: to {row.outbound_tag or row.balancer_tag}")


def _names(body: Body) -> list[str]:
    names = [one.strip() for one in words(get(body, "inboundTag"))]
    return [" or ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")] if names else []


def _part(what: str, kind: Kind, row: Entry, note: str) -> Part:
    return Part(what, kind, row, note, quick_fields(kind, row.entry))
