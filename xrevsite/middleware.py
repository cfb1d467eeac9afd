"""The admin's exception from the site's content security policy."""

from __future__ import annotations

from collections.abc import Callable

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.http import HttpRequest, HttpResponse

ADMIN_PREFIX = "/admin/"

# unfold brings the build of Alpine that evaluates attributes, and writes its colours into a <style> element.
ADMIN_EXCEPTION = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}


def admin_content_security_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """To stand after csp's middleware, which reads what this puts on the response."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith(ADMIN_PREFIX):
            response._csp_replace = ADMIN_EXCEPTION  # type: ignore[attr-defined]
        return response

    return middleware
