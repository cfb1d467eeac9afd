"""Pages of what runs: the map for scripts that ask for it again, and the log of an instance. A tunnel's is in tunnel_page.py."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin.instance_page import find_instance, must, show
from dashboard.admin.live_data import live_data, live_map


def live_urls(model_admin: Any) -> list[URLPattern]:
    wrap = model_admin.admin_site.admin_view
    return [
        path("map/", wrap(map_view), name="dashboard_instance_map"),
        path("<int:pk>/log/", wrap(log_page), name="dashboard_instance_log"),
    ]


def map_view(request: HttpRequest) -> JsonResponse:
    """For a page that heard that something was published."""
    must(request, "view_instance")
    return JsonResponse(live_map())


def log_page(request: HttpRequest, pk: int) -> HttpResponse:
    """What the worker writes, as its agent keeps and sends it."""
    must(request, "view_instance")
    instance = find_instance(pk)
    live = live_data(instance=instance.pk)
    return show(request, "log.html", instance, title=f"Instance {instance.name}", tab="log", live=live)
