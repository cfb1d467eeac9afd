"""Figures that are kept."""

from __future__ import annotations

from celery import shared_task

from dashboard.accounts import traces
from dashboard.live.telling import tell_wanted
from dashboard.services import events, notifying, traffic
from dashboard.services.periods import begin_periods


@shared_task(name="dashboard.tasks.fold_traffic")  # type: ignore[untyped-decorator]
def fold_traffic() -> None:
    traffic.fold()


@shared_task(name="dashboard.tasks.begin_client_periods")  # type: ignore[untyped-decorator]
def begin_client_periods() -> None:
    """Clients that had used up their data may come again."""
    for node_id in begin_periods():
        tell_wanted(node_id)


@shared_task(name="dashboard.tasks.forget_old_rows")  # type: ignore[untyped-decorator]
def forget_old_rows() -> None:
    traffic.forget_old()
    events.prune()
    notifying.forget_old()
    traces.forget_old()
