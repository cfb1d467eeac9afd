"""The map of tunnels for pages that show what runs: topology with addresses, to be joined with the live state in the browser."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin.instance_page import must
from dashboard.admin.links import change_link, page_link
from dashboard.engine.content import Kind
from dashboard.engine.tunnels import Door, End
from dashboard.models import Node
from dashboard.services.topology import Far, Lane, Place, topology

SOCKET: Final = "/ws/live/"


def live_map_urls(model_admin: Any) -> list[URLPattern]:
    wrap = model_admin.admin_site.admin_view
    return [path("map/", wrap(map_view), name="dashboard_instance_map")]


def map_view(request: HttpRequest) -> JsonResponse:
    """For a page that heard that something was published."""
    must(request, "view_instance")
    return JsonResponse(live_map())


def live_data(**more: Any) -> dict[str, Any]:
    """What a live page's script is given."""
    keys = {
        "o": page_link("admin:index"), "i": page_link("admin:dashboard_instance_changelist"),
        "n": page_link("admin:dashboard_node_changelist"),
    }
    return {"map": live_map(), "map_link": page_link("admin:dashboard_instance_map"), "socket": SOCKET, "keys": keys, **more}


def live_map() -> dict[str, Any]:
    """All instances, nodes and tunnels. No secrets."""
    found = topology()
    return {
        "places": [_place(place) for place in found.places],
        "nodes": [_node(node) for node in Node.objects.all()],
        "lanes": [lane_as_json(lane) for lane in found.lanes],
    }


def tunnel_link(instance: int, side: str, key: str, **query: str) -> str:
    return page_link("admin:dashboard_instance_tunnel", instance, kind=side, tag=key, **query)


def lane_as_json(lane: Lane) -> dict[str, Any]:
    end = lane.portal or lane.bridges[0].end
    return {
        "key": lane.key, "name": lane.name, "place": lane.place.pk,
        "portal": _end(lane.portal) if lane.portal is not None else None,
        "doors": [_door(door) for door in lane.doors],
        "carriers": [_door(door) for door in (lane.portal.carriers if lane.portal is not None else [])],
        "bridges": [_far(far) for far in lane.bridges], "core": lane.core, "service": lane.service_name,
        "service_link": page_link("admin:dashboard_service_change", lane.service) if lane.service is not None else "",
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
    seen = getattr(node, "last_seen_at", None)
    return {
        "pk": node.pk, "name": node.name, "link": page_link("admin:dashboard_node_change", node.pk),
        "standing": getattr(node, "state", "approved"), "seen": seen.timestamp() if seen is not None else 0,
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
