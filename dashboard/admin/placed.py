"""Problems and findings of an instance's document for a page, each with the address of the field that causes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dashboard.admin.links import change_link, client_link, page_link
from dashboard.engine.linting import Finding, PlacedFinding, PlacedProblem
from dashboard.models import Instance

HEALTH: Final = {"error": "bad", "warning": "warn"}
_ORDER: Final = ("error", "warning", "note")


def shown_problem(instance: Instance, placed: PlacedProblem) -> dict[str, Any]:
    """For templates/admin/dashboard/instance/findings.html."""
    problem = placed.problem
    return {
        "severity": problem.severity, "health": HEALTH.get(problem.severity, ""), "message": problem.message, "code": "",
        "hint": problem.hint, "path": problem.path, "link": link_to(instance, placed),
    }  # fmt: skip


def shown_finding(instance: Instance, placed: PlacedFinding) -> dict[str, Any]:
    return _shown(placed.finding, link_to(instance, placed))


def shown_of_file(finding: Finding, masked: Callable[[str], str], line_link: str) -> dict[str, Any]:
    """One about a file that is no instance's; `line_link` with the number of the line leads to it on the page."""
    shown = _shown(finding, f"{line_link}{finding.line}" if finding.line else "")
    return shown | {"message": masked(finding.message), "hint": masked(finding.fix)}


def by_severity(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Errors first, else as they were."""
    return sorted(shown, key=lambda one: _ORDER.index(one["severity"]))


def _shown(finding: Finding, link: str) -> dict[str, Any]:
    return {
        "severity": finding.severity, "health": HEALTH.get(finding.severity, ""), "message": finding.message,
        "code": f"{finding.code.id} {finding.code.name}", "hint": finding.fix, "path": finding.path, "link": link,
    }  # fmt: skip


def link_to(instance: Instance, placed: PlacedProblem | PlacedFinding) -> str:
    """The page of the row that it is about, at its field; that of the rest of the document."""
    if placed.client_pk is not None:
        return client_link(placed.client_pk, placed.path)
    if placed.kind is not None and placed.pk is not None:
        return change_link(placed.kind, placed.pk, placed.path)
    query = {"field": placed.path} if placed.path else {}
    return page_link("admin:dashboard_instance_rest", instance.pk, **query)
