"""Clients whose used data starts from zero again every day, week or month."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.utils import timezone

from dashboard.choices import ResetPeriod
from dashboard.models import Credential


def begin_periods(now: datetime | None = None) -> list[int]:
    """Zero what was used where a period is over; the nodes where clients may come again, each once."""
    now = timezone.now() if now is None else now
    nodes: dict[int, None] = {}
    with_periods = Credential.objects.exclude(reset_period=ResetPeriod.NEVER)
    with_periods.filter(period_began_at=None).update(period_began_at=now)      # copies of others, say, have not begun yet
    due = with_periods.filter(period_began_at__lte=now)
    columns = ("pk", "reset_period", "period_began_at", "period_day", "inbound__instance__node_id")
    for row in due.select_related("inbound__instance").only(*columns):
        assert row.period_began_at is not None
        day = row.period_day or row.period_began_at.day
        began = period_at(row.period_began_at, row.reset_period, now, day)
        if began == row.period_began_at:
            continue
        # Compared, so that a period that somebody else began meanwhile is not begun twice.
        changed = Credential.objects.filter(pk=row.pk, period_began_at=row.period_began_at).update(
            used_bytes=0, period_began_at=began, period_day=day)
        if changed:
            nodes[row.inbound.instance.node_id] = None
    return list(nodes)


def period_at(began: datetime, period: str, now: datetime, day: int = 0) -> datetime:
    """When the period of `now` began, if one began at `began`. Monthly ones begin on `day` (0: that of `began`), or on the
    month's last where it has no such day."""
    following = partial(_FOLLOWING[ResetPeriod(period)], began, day or began.day)
    count = 0
    while following(count + 1) <= now:
        count += 1
    return following(count)


def _months(began: datetime, day: int, count: int) -> datetime:
    year, month = divmod(began.year * 12 + began.month - 1 + count, 12)
    return began.replace(year=year, month=month + 1, day=min(day, calendar.monthrange(year, month + 1)[1]))


_FOLLOWING: Final[dict[ResetPeriod, Callable[[datetime, int, int], datetime]]] = {
    ResetPeriod.DAILY: lambda began, day, count: began + timedelta(days=count),
    ResetPeriod.WEEKLY: lambda began, day, count: began + timedelta(weeks=count),
    ResetPeriod.MONTHLY: _months,
}
