"""The documents of a tunnel's sides, masked, each with what was found in it and where that is mended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from django.http import HttpRequest

from dashboard.admin.code_view import CodeLine, code_lines
from dashboard.admin.instance_page import count_entries, find_instance, may
from dashboard.admin.links import page_link
from dashboard.admin.placed import by_severity, shown_finding, shown_of_file, shown_problem
from dashboard.engine.compile import CannotCompile
from dashboard.engine.content import Kind
from dashboard.engine.exposing import CORES
from dashboard.engine.linting import Finding, PlacedFinding, lint_text
from dashboard.engine.parse import parse_entry
from dashboard.engine.secrets import mask_entry, secret_texts, without_secrets
from dashboard.models import Instance, Service
from dashboard.services.errors import ServiceError
from dashboard.services.exporting import as_text, export_text
from dashboard.services.linting import lint_together
from dashboard.services.publishing import review
from dashboard.services.topology import Lane

MAX_FINDINGS: Final = 30        # of one side
MAX_CHECKED_ENTRIES: Final = 2000
"""Of an instance; a larger one is checked on its own page only."""


@dataclass(slots=True)
class Side:
    """A document of the tunnel, masked. `problem`: why there is none to show. `findings`: None, it was not looked at."""

    title: str
    lines: list[CodeLine]
    link: str
    problems_link: str = ""
    is_cut: bool = False
    problem: str = ""
    findings: list[dict[str, Any]] | None = None
    more: int = 0

    def tell(self, findings: list[dict[str, Any]]) -> None:
        findings = by_severity(findings)
        self.findings, self.more = findings[:MAX_FINDINGS], max(0, len(findings) - MAX_FINDINGS)


@dataclass(slots=True)
class _Together:
    """What only both sides together show."""

    of_instances: dict[int, list[PlacedFinding]] = field(default_factory=dict)
    of_file: list[Finding] = field(default_factory=list)


def sides_of(request: HttpRequest, lane: Lane) -> list[Side]:
    """Each once, where one instance is both sides."""
    places = {lane.place.pk: ("Public side" if lane.portal is not None else "Far side", lane.place.name)}
    for far in lane.bridges:
        places.setdefault(far.place.pk, ("Far side", far.place.name))
    instances = {pk: find_instance(pk) for pk in places}
    service = _service_with_file(request, lane)
    small = [one for one in instances.values() if sum(count_entries(one).values()) <= MAX_CHECKED_ENTRIES]
    together = _look_at_all(lane, small, service)
    sides = [
        _side(request, instance, "{}: {}".format(*places[pk]), together.of_instances.get(pk, []), is_checked=instance in small)
        for pk, instance in instances.items()]
    if service is not None:
        sides.append(_side_of_file(service, lane.core, len(sides) + 1, together.of_file))
    return sides


def _service_with_file(request: HttpRequest, lane: Lane) -> Service | None:
    if lane.service is None or lane.bridges or not may(request, "view_service"):
        return None
    service = Service.objects.get(pk=lane.service)
    return service if service.far_document else None


def _look_at_all(lane: Lane, instances: list[Instance], service: Service | None) -> _Together:
    files = {service.name: service.far_document} if service is not None else {}
    if len(instances) + len(files) < 2:
        return _Together()
    try:
        placed, of_files = lint_together(instances, files)
    except CannotCompile:           # its side says so
        return _Together()
    mine = {pk: [one for one in found if _is_of(lane, pk, one)] for pk, found in placed.items()}
    return _Together(mine, [one for found in of_files.values() for one in found])


def _is_of(lane: Lane, instance: int, placed: PlacedFinding) -> bool:
    """About this tunnel, and none of the others that the instance has."""
    ends = [(lane.place.pk, lane.portal)] if lane.portal is not None else []
    ends += [(far.place.pk, far.end) for far in lane.bridges]
    mine = {(end.kind, end.pk) for pk, end in ends if pk == instance}
    return (placed.kind, placed.pk) in mine or placed.kind is Kind.OUTBOUND


def _side(request: HttpRequest, instance: Instance, title: str, together: list[PlacedFinding], *, is_checked: bool) -> Side:
    side = Side(title, [], page_link("admin:dashboard_instance_document", instance.pk),
                page_link("admin:dashboard_instance_problems", instance.pk))
    try:
        side.lines, total = code_lines(export_text(instance, by=request.user))
    except CannotCompile as error:
        side.problem = str(error)
        return side
    side.is_cut = len(side.lines) < total
    if is_checked:
        try:
            found = review(instance)
        except ServiceError as error:
            side.problem = error.message
            return side
        told = [shown_problem(instance, one) for one in found.problems]
        side.tell(told + [shown_finding(instance, one) for one in (*together, *found.findings)])
    return side


def _side_of_file(service: Service, core: str, number: int, together: list[Finding]) -> Side:
    """`number`: of this side on the page, from 1."""
    body = parse_entry(service.far_document)
    lines, total = code_lines(as_text(mask_entry(body)))
    link = page_link("admin:dashboard_service_change", service.pk)
    side = Side(f"Far side: the file for {core}", lines, link, is_cut=len(lines) < total)
    known = CORES.get(service.core)
    found = [*together, *lint_text(service.far_document, service.name, known.lint_name if known is not None else "")]
    secrets = tuple(secret_texts(body))
    side.tell([shown_of_file(one, lambda text: without_secrets(text, secrets), f"#{number}line-") for one in found])
    return side
