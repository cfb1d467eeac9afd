"""What logins leave behind, and nobody needs any more: sessions that have ended, and the list of who logged in when."""

from __future__ import annotations

from typing import Final

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.sessions.backends.db import SessionStore

KEPT_DAYS: Final = 90


def forget_old() -> None:
    """Failed logins are forgotten by django-axes itself, a quarter of an hour after each."""
    SessionStore.clear_expired()
    AxesProxyHandler.reset_logs(age_days=KEPT_DAYS)
