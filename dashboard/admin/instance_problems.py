"""What the linter says of an instance, each finding with the field that causes it."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin.instance_page import find_instance, must, show
from dashboard.admin.placed import shown_finding
from dashboard.engine.compile import CannotCompile
from dashboard.services.linting import lint_instance

_ORDER: Final = ("error", "warning", "note")


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
