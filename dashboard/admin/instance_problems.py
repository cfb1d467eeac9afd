"""What stands against an instance: what the data plane says, the linter, and the ports of its node, each with its field."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin.instance_page import find_instance, must, show
from dashboard.admin.placed import by_severity, shown_finding, shown_problem
from dashboard.services.errors import ServiceError
from dashboard.services.publishing import review


def problem_urls(model_admin: Any) -> list[URLPattern]:
    return [path("<int:pk>/problems/", model_admin.admin_site.admin_view(problems), name="dashboard_instance_problems")]


def problems(request: HttpRequest, pk: int) -> HttpResponse:
    must(request, "view_instance")
    instance = find_instance(pk)
    try:
        looked = review(instance)
    except ServiceError as error:
        title = f"Instance {instance.name}"
        return show(request, "problems.html", instance, title=title, tab="problems", problem=error.message, status=409)
    found = [shown_problem(instance, one) for one in looked.problems]
    found = by_severity(found + [shown_finding(instance, one) for one in looked.findings])
    return show(request, "problems.html", instance, title=f"Instance {instance.name}", tab="problems", findings=found)
