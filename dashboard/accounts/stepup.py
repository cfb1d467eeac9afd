"""Asking for the password once more before a secret is shown, as a session may be on an unattended screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

GOOD_FOR_S = 600
"""How long after the password was given secrets are shown without asking again."""

_KEY = "password_given_at"


def note_password(request: HttpRequest) -> None:
    request.session[_KEY] = int(time.time())


def has_recent_password(request: HttpRequest) -> bool:
    given_at = request.session.get(_KEY, 0)
    return isinstance(given_at, int) and 0 <= time.time() - given_at < GOOD_FOR_S


def confirm_url(next_path: str) -> str:
    return f"{reverse('accounts:confirm')}?{urlencode({'next': next_path})}"


def needs_recent_password(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """A view that first sends the person to the page that asks for the password."""

    @wraps(view)
    def asking(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if has_recent_password(request):
            return view(request, *args, **kwargs)
        return HttpResponseRedirect(confirm_url(request.get_full_path()))

    return asking
