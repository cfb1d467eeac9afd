"""Whether nodes are there."""

from __future__ import annotations

from celery import shared_task

from dashboard.services.presence import note_lost


@shared_task(name="dashboard.tasks.look_for_lost_nodes")  # type: ignore[untyped-decorator]
def look_for_lost_nodes() -> None:
    note_lost()
