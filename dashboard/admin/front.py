"""The first page after login: what needs a person, what moves, the map, the instances; with nothing there, what to do first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.core.cache import cache
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest

from dashboard.admin.instance_page import count_entries, may, publication
from dashboard.admin.links import instance_link, page_link
from dashboard.admin.live_data import errors_of_the_last_hour, events, live_data
from dashboard.models import Instance, NodeEvent, Service
from dashboard.services.errors import ServiceError
from dashboard.services.publishing import review

MAX_ROWS: Final = 50            # instances on the page; more are a link
MAX_CHECKED: Final = 8          # instances that one look at the page checks; the others at the next look
MAX_EVENTS: Final = 12
MAX_CHECKED_ENTRIES: Final = 500
"""Of an instance; a larger one is checked on its own page only."""

CACHE_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Row:
    """`errors` and `warnings` are None where it was not checked yet."""

    instance: Instance
    link: str
    health: str
    publication: str
    problems_link: str
    errors: int | None
    warnings: int | None


def front(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """For unfold, which calls it with what the page has."""
    if not may(request, "view_instance"):
        return context
    total = Instance.objects.count()
    rows = _rows()
    unpublished = [row for row in rows if row.instance.enabled and row.health != "good"]
    faulty = [row for row in rows if row.errors]
    happened = events(NodeEvent.objects.all(), MAX_EVENTS)
    errors = errors_of_the_last_hour()
    context |= {
        "title": "Overview",
        "rows": rows,
        "total": total,
        "more": max(0, total - len(rows)),
        "unpublished": unpublished,
        "faulty": faulty,
        "live": live_data(
            unsettled=bool(unpublished or faulty), events=happened, last_event=max((one["id"] for one in happened), default=0),
            errors=errors) if rows else None,
        "errors_1h": sum(count for _, count in errors),
        "service_count": Service.objects.count(),
        "expose_link": page_link("admin:dashboard_expose")
        if may(request, "add_instance", "change_instance", "add_service", "publish_instance") else "",
        "import_link": page_link("admin:dashboard_import") if may(request, "add_instance", "import_instance") else "",
    }
    return context


def _rows() -> list[Row]:
    unsettled = Case(When(enabled=False, then=Value(2)), default=Value(1), output_field=IntegerField())
    found = Instance.objects.with_role().with_published().select_related("node").defer("rest", "comments")
    rows, checked = [], 0
    for instance in found.order_by(unsettled, "name")[:MAX_ROWS]:
        known = cache.get(_key(instance))
        if known is None and checked < MAX_CHECKED:
            checked += 1
            known = _check(instance)
        health, words = publication(instance)
        errors, warnings = known if known is not None else (None, None)
        problems = page_link("admin:dashboard_instance_problems", instance.pk)
        rows.append(Row(instance, instance_link(instance), health, words, problems, errors, warnings))
    return rows


def _key(instance: Instance) -> str:
    return f"findings:{instance.pk}:{instance.version}"


def _check(instance: Instance) -> tuple[int, int] | None:
    """How many errors and warnings stand against it; None: it is too large to look at in passing."""
    if sum(count_entries(instance).values()) > MAX_CHECKED_ENTRIES:
        return None
    try:
        found = review(instance)
    except ServiceError:
        severities = ["error"]
    else:
        severities = [one.severity for one in found.problems] + [one.finding.severity for one in found.findings]
    known = (severities.count("error"), severities.count("warning"))
    cache.set(_key(instance), known, CACHE_S)
    return known
