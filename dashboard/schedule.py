"""What runs by itself, and how often: Celery's beat reads it from the settings.

    "name in the log": {"task": "dashboard.tasks.name", "schedule": seconds, "options": {"expires": seconds}}

`expires` keeps a worker that was away from doing the same thing many times at once when it is back.
"""

from __future__ import annotations

from typing import Any


def _every(seconds: float, task: str) -> dict[str, Any]:
    return {"task": f"dashboard.tasks.{task}", "schedule": seconds, "options": {"expires": max(seconds, 10)}}


BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "fold traffic": _every(10, "fold_traffic"),
    "look for conditions": _every(5, "look_for_conditions"),
    "look for lost nodes": _every(30, "look_for_lost_nodes"),
    "begin periods of clients": _every(60, "begin_client_periods"),
    "forget old rows": _every(3600, "forget_old_rows"),
}
