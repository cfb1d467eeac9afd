"""Errors as application/problem+json (RFC 9457), each with the JSON paths or fields that are meant."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

CONTENT_TYPE = "application/problem+json"


class ApiProblem(exceptions.APIException):
    """An error with places. `errors`: (path, message) each."""

    def __init__(self, status_code: int, code: str, detail: str, errors: list[tuple[str, str]] | None = None) -> None:
        super().__init__(detail, code)
        self.status_code = status_code
        self.errors = errors or []


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's hook. None: not ours, so it becomes a 500 and is logged."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    errors = [{"path": path, "message": message} for path, message in getattr(error, "errors", [])]
    if isinstance(error, exceptions.ValidationError):
        errors = [{"path": path, "message": message} for path, message in _flat(error.detail, "")]
        detail = "The request is not valid." if errors else str(error)
    else:
        detail = str(error.detail)
    response = Response(problem(error.status_code, _code(error), detail, errors), error.status_code, content_type=CONTENT_TYPE)
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        response["WWW-Authenticate"] = getattr(error, "auth_header", "Bearer")
    wait_s = getattr(error, "wait", None)
    if wait_s:
        response["Retry-After"] = str(int(wait_s) + 1)
    return response


def problem(status_code: int, code: str, detail: str, errors: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "type": "about:blank", "title": HTTPStatus(status_code).phrase, "status": status_code, "code": code, "detail": detail,
        "errors": errors,
    }


def _code(error: exceptions.APIException) -> str:
    codes = error.get_codes()
    return codes if isinstance(codes, str) else "invalid"


def _flat(detail: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(detail, dict):
        return [entry for key, value in detail.items() for entry in _flat(value, _joined(path, str(key)))]
    if isinstance(detail, list):
        if all(not isinstance(value, dict | list) for value in detail):
            return [(path, str(value)) for value in detail]
        return [entry for number, value in enumerate(detail) for entry in _flat(value, f"{path}[{number}]")]
    return [(path, str(detail))]


def _joined(path: str, key: str) -> str:
    if key == "non_field_errors":
        return path
    return f"{path}.{key}" if path else key
