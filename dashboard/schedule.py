"""What runs by itself, and how often: Celery's beat reads it from the settings.

    "name in the log": {"task": "dashboard.tasks.name", "schedule": seconds, "options": {"expires": seconds}}

`expires` keeps a worker that was away from doing the same thing many times at once when it is back.
"""

from __future__ import annotations

from typing import Any

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {}
