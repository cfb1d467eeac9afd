"""Problems and findings of an instance's document for a page, each with the address of the field that causes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dashboard.admin.links import change_link, client_link, page_link
from dashboard.engine.linting import Finding, PlacedFinding, PlacedProblem, Problem
from dashboard.models import Instance

HEALTH: Final = {"error": "bad", "warning": "warn"}
_ORDER: Final = ("error", "warning", "note")


def shown_problem(instance: Instance, placed: PlacedProblem) -> dict[str, Any]:
    """For templates/admin/dashboard/instance/findings.html."""
    return _shown(placed.problem, link_to(instance, placed))


def shown_finding(instance: Instance, placed: PlacedFinding) -> dict[str, Any]:
    return _shown(placed.finding, link_to(instance, placed))


def shown_of_file(finding: Finding, masked: Callable[[str], str], line_link: str) -> dict[str, Any]:
    """One about a file that is no instance's; `line_link` with the number of the line leads to it on the page."""
    shown = _shown(finding, f"{line_link}{finding.line}" if finding.line else "")
    return shown | {"message": masked(finding.message), "hint": masked(finding.fix)}


def shown_of_text(one: Problem | Finding) -> dict[str, Any]:
    """One about a text that is on the page, with its line."""
    shown = _shown(one, "")
    return shown | {"path": ": ".join(part for part in (f"line {one.line}" if one.line else "", one.path) if part)}


def by_severity(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Errors first, else as they were."""
    return sorted(shown, key=lambda one: _ORDER.index(one["severity"]))


def _shown(one: Problem | Finding, link: str) -> dict[str, Any]:
    hint, code = (one.fix, f"{one.code.id} {one.code.name}") if isinstance(one, Finding) else (one.hint, "")
    return {
        "severity": one.severity, "health": HEALTH.get(one.severity, ""), "message": one.message, "code": code, "hint": hint,
        "path": one.path, "link": link,
    }  # fmt: skip


def link_to(instance: Instance, placed: PlacedProblem | PlacedFinding) -> str:
    """The page of the row that it is about, at its field; that of the rest of the document."""
    if placed.client_pk is not None:
        return client_link(placed.client_pk, placed.path)
    if placed.kind is not None and placed.pk is not None:
        return change_link(placed.kind, placed.pk, placed.path)
    query = {"field": placed.path} if placed.path else {}
    return page_link("admin:dashboard_instance_rest", instance.pk, **query)
