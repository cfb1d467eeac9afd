"""Every address of the project asks who is there, but for those on a short list."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

OPEN = {
    "/": "leads to the panel, which asks",
    "/admin/login/": "where one logs in",
    "/admin/logout/": "ends a session; without one it shows the login page",
    "/setup/x/": "the signed link is the key",
}
_PARAMETERS = {"int": "1", "slug": "x", "uuid": "00000000-0000-0000-0000-000000000000"}


def paths(resolver: URLResolver | None = None, prefix: str = "/") -> Iterator[str]:
    """Patterns, with the names of their parameters."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from paths(entry, path)
        elif isinstance(entry, URLPattern):
            yield path


def _filled(pattern: str) -> str:
    pattern = re.sub(r"<(?:(\w+):)?\w+>", lambda match: _PARAMETERS.get(match[1] or "", "x"), pattern)
    pattern = re.sub(r"\(\?P<\w+>[^()]*(?:\([^()]*\)[^()]*)*\)", "x", pattern)
    return pattern.replace("^", "").replace("$", "").replace("\\", "").replace("/?", "/")


ALL = sorted({_filled(path) for path in paths()})


def test_there_are_addresses_to_walk() -> None:
    assert len(ALL) > 20
    assert set(OPEN) <= set(ALL), "the list names only what there is"


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("address", ALL)
def test_a_stranger_gets_nothing(client: Client, address: str, method: str) -> None:
    answer = getattr(client, method)(address, REMOTE_ADDR="192.0.2.9")
    if address in OPEN:
        assert answer.status_code in (200, 301, 302, 405, 410)
        return
    asked_to_log_in = answer.status_code == 302 and answer.headers["Location"].startswith("/admin/login/?next=")
    assert asked_to_log_in or answer.status_code in (401, 403), f"{method} {address}: {answer.status_code}"


@pytest.mark.django_db
def test_the_policy_is_strict_but_for_the_admin(client: Client) -> None:
    outside = client.get("/setup/x/").headers["Content-Security-Policy"]
    inside = client.get("/admin/login/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in outside
    assert "unsafe" not in outside
    for policy in (outside, inside):
        assert "frame-ancestors 'none'" in policy
        assert "http:" not in policy and "https:" not in policy  # noqa: PT018
    assert "script-src 'self' 'unsafe-eval'" in inside
    headers = client.get("/admin/login/").headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
