"""Clients whose used data starts from zero again every day, week or month."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from dashboard.choices import ResetPeriod
from dashboard.models import Credential


def begin_periods(now: datetime | None = None) -> list[int]:
    """Zero what was used where a period is over; the nodes where clients may come again, each once."""
    now = timezone.now() if now is None else now
    nodes: dict[int, None] = {}
    due = Credential.objects.exclude(reset_period=ResetPeriod.NEVER).exclude(period_began_at=None)
    columns = ("pk", "reset_period", "period_began_at", "inbound__instance__node_id")
    for row in due.select_related("inbound__instance").only(*columns):
        assert row.period_began_at is not None
        began = period_at(row.period_began_at, row.reset_period, now)
        if began == row.period_began_at:
            continue
        # Compared, so that a period that somebody else began meanwhile is not begun twice.
        changed = Credential.objects.filter(pk=row.pk, period_began_at=row.period_began_at).update(
            used_bytes=0, period_began_at=began)
        if changed:
            nodes[row.inbound.instance.node_id] = None
    return list(nodes)


def period_at(began: datetime, period: str, now: datetime) -> datetime:
    """When the period of `now` began, if one began at `began`. Monthly ones keep the day, or take the month's last."""
    following = _FOLLOWING[ResetPeriod(period)]
    count = 0
    while following(began, count + 1) <= now:
        count += 1
    return following(began, count)


def _months(began: datetime, count: int) -> datetime:
    year, month = divmod(began.year * 12 + began.month - 1 + count, 12)
    day = min(began.day, calendar.monthrange(year, month + 1)[1])
    return began.replace(year=year, month=month + 1, day=day)


_FOLLOWING: Final[dict[ResetPeriod, Callable[[datetime, int], datetime]]] = {
    ResetPeriod.DAILY: lambda began, count: began + timedelta(days=count),
    ResetPeriod.WEEKLY: lambda began, count: began + timedelta(weeks=count),
    ResetPeriod.MONTHLY: _months,
}
