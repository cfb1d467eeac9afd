"""What the linter says of an instance, each finding with the field that causes it."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern

from dashboard.admin.instance_page import find_instance, must, show
from dashboard.admin.links import change_link, client_link
from dashboard.engine.compile import CannotCompile
from dashboard.engine.linting import PlacedFinding
from dashboard.models import Instance
from dashboard.services.linting import lint_instance

HEALTH: Final = {"error": "bad", "warning": "warn"}
_ORDER: Final = ("error", "warning", "info")


def problem_urls(model_admin: Any) -> list[URLPattern]:
    return [path("<int:pk>/problems/", model_admin.admin_site.admin_view(problems), name="dashboard_instance_problems")]


def problems(request: HttpRequest, pk: int) -> HttpResponse:
    must(request, "view_instance")
    instance = find_instance(pk)
    try:
        found = [shown_finding(instance, finding) for finding in lint_instance(instance)]
    except CannotCompile as error:
        title = f"Instance {instance.name}"
        return show(request, "problems.html", instance, title=title, tab="problems", problem=str(error), status=409)
    found.sort(key=lambda one: _ORDER.index(one["severity"]))
    return show(request, "problems.html", instance, title=f"Instance {instance.name}", tab="problems", findings=found)


def shown_finding(instance: Instance, placed: PlacedFinding) -> dict[str, Any]:
    """A finding in words, with the address of the field that causes it."""
    finding = placed.finding
    if placed.client_pk is not None:
        link = client_link(placed.client_pk, placed.path)
    elif placed.kind is not None and placed.pk is not None:
        link = change_link(placed.kind, placed.pk, placed.path)
    else:
        link = reverse("admin:dashboard_instance_rest", args=[instance.pk])
    return {
        "severity": finding.severity, "health": HEALTH.get(finding.severity, ""),
        "code": f"{finding.code.id} {finding.code.name}",
        "message": finding.message, "hint": finding.fix, "path": finding.path, "link": link,
    }
