"""Whether a WebSocket was opened by a page of this panel: the browser says whose page it is, and cookies come along anyway."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host


def is_own_origin(headers: Mapping[str, str]) -> bool:
    """`headers` have small letters."""
    host, origin = headers.get("host", ""), headers.get("origin", "")
    allowed = settings.ALLOWED_HOSTS or (["localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    if not validate_host(split_domain_port(host)[0], allowed):
        return False
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and _with_port(parts.netloc, parts.scheme) == _with_port(host, parts.scheme)


def _with_port(netloc: str, scheme: str) -> str:
    domain, port = split_domain_port(netloc)
    return f"{domain}:{port or {'http': '80', 'https': '443'}[scheme]}"
