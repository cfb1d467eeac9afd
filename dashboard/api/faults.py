"""What services refuse, as problems of the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found

from dashboard.api.problems import CONTENT_TYPE, ApiProblem, problem
from dashboard.engine.compile import CannotCompile
from dashboard.engine.parse import UnreadableDocument
from dashboard.services.asking import NotConnected, NotDone
from dashboard.services.errors import PortTaken, ServiceError, TagTaken, VersionConflict, WouldBreak
from dashboard.services.publishing import NothingToPublish, PublishConflict, PublishRefused, WarningsNotAccepted
from proxycore.api import render_path

PREFIX: Final = "/api/"
REFUSED: tuple[type[Exception], ...] = (ServiceError, UnreadableDocument, CannotCompile)


def as_problem(error: Exception) -> ApiProblem:
    """For one of REFUSED."""
    if isinstance(error, UnreadableDocument):
        return ApiProblem(400, "unreadable_document", "This is no document that can be kept.", [
            (one.path, _placed(one.line, one.column, one.message)) for one in error.problems])
    if isinstance(error, CannotCompile):
        return ApiProblem(422, "cannot_compile", str(error), [(render_path(error.path), str(error))])
    assert isinstance(error, ServiceError)
    if isinstance(error, VersionConflict):
        return ApiProblem(412, "version_conflict", error.message)
    if isinstance(error, PublishConflict):
        theirs = [("theirs", change.text) for change in error.theirs]
        return ApiProblem(409, "publish_conflict", error.message, [*theirs, *(("yours", change.text) for change in error.yours)])
    if isinstance(error, PublishRefused):
        return ApiProblem(422, "has_errors", error.message, _findings(error.problems, error.findings))
    if isinstance(error, WarningsNotAccepted):
        return ApiProblem(422, "has_warnings", error.message, _findings(error.problems, error.findings))
    if isinstance(error, NothingToPublish):
        return ApiProblem(409, "nothing_to_publish", error.message)
    if isinstance(error, NotConnected):
        return ApiProblem(503, "not_connected", error.message)
    if isinstance(error, NotDone):
        return ApiProblem(409, "not_done", error.message)
    if isinstance(error, WouldBreak):
        return ApiProblem(409, "would_break", error.message, [(one.path, one.text) for one in error.references])
    code = "tag_taken" if isinstance(error, TagTaken) else "port_taken" if isinstance(error, PortTaken) else "refused"
    status = 400 if code == "refused" else 409
    return ApiProblem(status, code, error.message, [(error.path, error.message)] if error.path else [])


def _findings(problems: Iterable[Any], findings: Iterable[Any]) -> list[tuple[str, str]]:
    listed = [(one.problem.path, one.message) for one in problems]
    return [*listed, *((one.finding.path, one.finding.message) for one in findings)]


def _placed(line: int, column: int, message: str) -> str:
    return f"line {line}, column {column}: {message}" if line else message


def no_such_address(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django answers where there is no such address; of the API's as a problem, too."""
    if request.path.startswith(PREFIX):
        return JsonResponse(problem(404, "not_found", "There is no such address.", []), status=404, content_type=CONTENT_TYPE)
    return page_not_found(request, exception)
