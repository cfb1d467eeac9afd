"""Problems and findings of an instance's document for a page, each with the address of the field that causes it."""

from __future__ import annotations

from typing import Any, Final

from dashboard.admin.links import change_link, client_link, page_link
from dashboard.engine.linting import PlacedFinding, PlacedProblem
from dashboard.models import Instance

HEALTH: Final = {"error": "bad", "warning": "warn"}


def shown_problem(instance: Instance, placed: PlacedProblem) -> dict[str, Any]:
    """For templates/admin/dashboard/instance/findings.html."""
    problem = placed.problem
    return {
        "severity": problem.severity, "health": HEALTH.get(problem.severity, ""), "message": problem.message, "code": "",
        "hint": problem.hint, "path": problem.path, "link": link_to(instance, placed),
    }  # fmt: skip


def shown_finding(instance: Instance, placed: PlacedFinding) -> dict[str, Any]:
    finding = placed.finding
    return {
        "severity": finding.severity, "health": HEALTH.get(finding.severity, ""), "message": finding.message,
        "code": f"{finding.code.id} {finding.code.name}", "hint": finding.fix, "path": finding.path,
        "link": link_to(instance, placed),
    }  # fmt: skip


def link_to(instance: Instance, placed: PlacedProblem | PlacedFinding) -> str:
    """The page of the row that it is about, at its field; that of the rest of the document."""
    if placed.client_pk is not None:
        return client_link(placed.client_pk, placed.path)
    if placed.kind is not None and placed.pk is not None:
        return change_link(placed.kind, placed.pk, placed.path)
    query = {"field": placed.path} if placed.path else {}
    return page_link("admin:dashboard_instance_rest", instance.pk, **query)
