"""Nobody's change is overwritten unseen: an instance's version as ETag, and If-Match before a change."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from dashboard.api.problems import ApiProblem


def etag(version: int) -> str:
    return f'"{version}"'


def expected_version(request: Request) -> int | None:
    """What If-Match asks for; None: the caller does not care. Raises ApiProblem for one that is none of ours."""
    text = request.headers.get("If-Match", "").strip()
    if text in ("", "*"):
        return None
    number = text.removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise ApiProblem(412, "version_conflict", f"If-Match: an ETag of this API is expected, not {text[:40]}")
    return int(number)


def with_etag(response: Response, version: int) -> Response:
    response["ETag"] = etag(version)
    return response
