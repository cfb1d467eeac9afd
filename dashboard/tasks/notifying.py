"""Who is told what is wrong."""

from __future__ import annotations

from celery import shared_task

from dashboard.services.conditions import look
from dashboard.services.notifying import make_due, send_due


@shared_task(name="dashboard.tasks.look_for_conditions")  # type: ignore[untyped-decorator]
def look_for_conditions() -> None:
    """A task for each receiver, so that a slow one holds nobody up."""
    look()
    for receiver_id in make_due():
        tell_receiver.delay(receiver_id)


@shared_task(name="dashboard.tasks.tell_receiver")  # type: ignore[untyped-decorator]
def tell_receiver(receiver_id: int) -> None:
    send_due(receiver_id)
