"""The page of one tunnel: what runs on it now, its history and events, both sides' documents, and where its parts are edited."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin.instance_page import find_instance, may, must
from dashboard.admin.links import change_link, instance_link, page_link
from dashboard.admin.live_data import events, live_data, tunnel_link
from dashboard.admin.tunnel_documents import sides_of
from dashboard.admin.tunnel_settings import settings_of
from dashboard.engine.tunnels import End
from dashboard.models import Instance, NodeEvent
from dashboard.services.topology import Lane, topology

TABS: Final = (("now", "Now"), ("history", "History"), ("events", "Events"), ("documents", "Documents"), ("settings", "Settings"))


MAX_EVENTS: Final = 100


def tunnel_urls(model_admin: Any) -> list[URLPattern]:
    wrap = model_admin.admin_site.admin_view
    return [path("<int:pk>/tunnel/", wrap(tunnel_page), name="dashboard_instance_tunnel")]


def tunnel_page(request: HttpRequest, pk: int) -> HttpResponse:
    """`?kind=portal|bridge&tag=`: which end of which tunnel; `tab=`. Without, what the instance is made of."""
    must(request, "view_instance")
    instance = find_instance(pk)
    if "tag" not in request.GET:
        return HttpResponseRedirect(instance_link(instance))
    kind, tag, tab = (request.GET.get(name, "") for name in ("kind", "tag", "tab"))
    tab = tab or "now"
    lane, end = _find(instance, kind, tag)
    if tab not in dict(TABS):
        raise Http404("there is no such tab")
    data = live_data(
        tunnel={"instance": instance.pk, "tag": end.key, "kind": end.side}, lane=lane.key,
        may_act=may(request, "publish_instance"), events=_events(instance, end) if tab == "events" else [])
    name = lane.service_name or lane.name
    context: dict[str, Any] = {
        **admin.site.each_context(request), "title": f"Tunnel {name}", "instance": instance, "lane": lane, "end": end,
        "live": data, "tab": tab,
        "tabs": [(one, title, tunnel_link(instance.pk, end.side, end.key, tab=one)) for one, title in TABS],
        "edit_link": change_link(end.kind, end.pk) if end.pk is not None else "",
        "service_link": page_link("admin:dashboard_service_change", lane.service)
        if lane.service and may(request, "view_service") else "",
        "other_ends": _other_ends(lane, end),
    }
    if tab == "documents":
        context["sides"] = sides_of(request, lane)
    if tab == "settings":
        shown, answer = settings_of(request, lane)
        if answer is not None:
            return answer
        context |= shown
    status = 400 if any(part["problems"] for part in context.get("parts", ())) else 200
    return render(request, "admin/dashboard/live/tunnel.html", context, status=status)


def _find(instance: Instance, kind: str, tag: str) -> tuple[Lane, End]:
    """Raises Http404."""
    for lane in topology().lanes:
        if kind == "portal" and lane.portal is not None and lane.place.pk == instance.pk and lane.portal.key == tag:
            return lane, lane.portal
        if kind == "bridge":
            for far in lane.bridges:
                if far.place.pk == instance.pk and far.end.key == tag:
                    return lane, far.end
    raise Http404("there is no such tunnel")


def _events(instance: Instance, end: End) -> list[dict[str, Any]]:
    """Of this end, and of its instance as a whole."""
    return events(NodeEvent.objects.filter(instance=instance, tag__in=("", end.key)), MAX_EVENTS)


def _other_ends(lane: Lane, end: End) -> list[tuple[str, str]]:
    """(words, address) of its other ends that are ours."""
    found = [
        (f"Bridge {far.end.tag} on {far.place.node_name}", tunnel_link(far.place.pk, "bridge", far.end.key))
        for far in lane.bridges if far.end is not end
    ]
    if lane.portal is not None and lane.portal is not end:
        link = tunnel_link(lane.place.pk, "portal", lane.portal.key)
        found.insert(0, (f"Portal {lane.portal.tag} on {lane.place.node_name}", link))
    return found
