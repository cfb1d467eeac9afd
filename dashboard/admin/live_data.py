"""What pages are given that show what runs: the topology with addresses, to be joined with the live state in the browser."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncMinute
from django.utils import timezone

from dashboard.admin.links import change_link, page_link
from dashboard.engine.content import Kind
from dashboard.engine.tunnels import Door, End
from dashboard.models import Node, NodeEvent, Pause
from dashboard.services.events import as_json
from dashboard.services.pausing import pauses_of
from dashboard.services.topology import Far, Lane, Place, topology
from proxycore.messages.events import Kind as Event

SOCKET: Final = "/ws/live/"

ERRORS: Final = (
    Event.WORKER_DIED, Event.CRASH_LOOP, Event.REFUSED_DOCUMENT, Event.REVERTED, Event.TUNNEL_DOWN, Event.REFUSED, Event.STALLED,
    Event.NODE_DOWN, Event.NODE_TWICE,
)  # fmt: skip
"""Kinds of events that count as errors, as the script of the overview has them, too."""


def live_data(**more: Any) -> dict[str, Any]:
    """What a live page's script is given."""
    keys = {
        "o": page_link("admin:index"), "i": page_link("admin:dashboard_instance_changelist"),
        "n": page_link("admin:dashboard_node_changelist"),
    }
    return {"map": live_map(), "map_link": page_link("admin:dashboard_instance_map"), "socket": SOCKET, "keys": keys, **more}


def events(rows: QuerySet[NodeEvent], limit: int) -> list[dict[str, Any]]:
    """The newest of them, as browsers get them."""
    return [as_json(row) for row in rows.order_by("-at", "-pk")[:limit]]


def errors_of_the_last_hour() -> list[tuple[int, int]]:
    """(minute since 1970, how many): a page that stays open takes away those that are too old by itself."""
    kinds = [kind.value for kind in ERRORS]
    rows = NodeEvent.objects.filter(kind__in=kinds, at__gt=timezone.now() - timedelta(hours=1))
    counted = rows.order_by().annotate(minute=TruncMinute("at")).values_list("minute").annotate(Count("pk"))
    return [(int(minute.timestamp()) // 60, count) for minute, count in counted]


def live_map() -> dict[str, Any]:
    """All instances, nodes and tunnels. No secrets."""
    found = topology()
    pauses = pauses_of(found.lanes)
    return {
        "places": [_place(place) for place in found.places],
        "nodes": [_node(node) for node in Node.objects.all()],
        "lanes": [lane_as_json(lane, pauses.get(lane.key)) for lane in found.lanes],
    }


def tunnel_link(instance: int, side: str, key: str, **query: str) -> str:
    return page_link("admin:dashboard_instance_tunnel", instance, kind=side, tag=key, **query)


def lane_as_json(lane: Lane, pause: Pause | None = None) -> dict[str, Any]:
    end = lane.end
    return {
        "key": lane.key, "name": lane.name, "place": lane.place.pk,
        "portal": _end(lane.portal) if lane.portal is not None else None,
        "doors": [_door(door) for door in lane.doors],
        "carriers": [_door(door) for door in (lane.portal.carriers if lane.portal is not None else [])],
        "bridges": [_far(far) for far in lane.bridges], "core": lane.core, "service": lane.service_name,
        "service_link": page_link("admin:dashboard_service_change", lane.service) if lane.service is not None else "",
        "paused": {"by": pause.by_name, "since": pause.since.timestamp()} if pause is not None else None,
        "targets": lane.targets, "link": tunnel_link(lane.place.pk, end.side, end.key),
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "pk": place.pk, "name": place.name, "node": place.node, "enabled": place.enabled, "number": place.number,
        "link": page_link("admin:dashboard_instance_change", place.pk),
        "log": page_link("admin:dashboard_instance_log", place.pk),
    }


def _node(node: Node) -> dict[str, Any]:
    """With what the panel itself knows of it, for when nothing is heard."""
    seen = node.last_seen_at
    return {
        "pk": node.pk, "name": node.name, "link": page_link("admin:dashboard_node_change", node.pk),
        "address": node.address, "version": node.version, "standing": node.state,
        "seen": seen.timestamp() if seen is not None else 0,
    }


def _end(end: End) -> dict[str, Any]:
    return {
        "key": end.key, "tag": end.tag, "domain": end.domain,
        "link": change_link(end.kind, end.pk) if end.pk is not None else "",
    }


def _far(far: Far) -> dict[str, Any]:
    return {**_end(far.end), "place": far.place.pk, "via": far.end.via, "address": far.end.address}


def _door(door: Door) -> dict[str, Any]:
    return {
        "key": door.key, "listen": door.listen, "protocol": door.protocol, "rule": door.rule, "target": door.target,
        "link": change_link(Kind.INBOUND, door.pk) if door.pk is not None else "",
    }
