"""Kept figures: nodes report what moved in ten seconds, and that becomes points of 10 s, 1 min, 1 h and 1 d.

A report is stored at once, with what the clients have used, in one transaction with the note that it was taken; so it counts
once, however often it is sent. `fold` adds what was stored to the points of every step, in one transaction with its removal;
so it may be interrupted, and late reports (of a node that was cut off for hours) go where they belong.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from dashboard.models import Instance, TrafficMoved, TrafficPoint, TrafficSeries, TrafficSource
from proxycore.messages.link import Traffic

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
REPORTED: Final = 10        # seconds of one report

KEPT_FOR: Final = {REPORTED: 3 * HOUR, MINUTE: 2 * DAY, HOUR: 62 * DAY, DAY: 3 * 366 * DAY}
"""Seconds that points are kept for, by their step."""

RANGES: Final = {"1h": (HOUR, REPORTED), "24h": (DAY, MINUTE), "30d": (30 * DAY, HOUR), "1y": (366 * DAY, DAY)}
"""How far back, and by which step, both in seconds."""

SOURCES_KEPT_FOR: Final = timedelta(days=30)
"""A report that is sent again after that would count twice; agents keep theirs for less."""

MAX_SOURCES: Final = 200            # agent processes of a node that are remembered, the newest
MAX_SERIES: Final = 100_000         # of one instance
FOLDED_AT_ONCE: Final = 5_000       # reports of one transaction
DELETED_AT_ONCE: Final = 5_000
MAX_AHEAD_S: Final = 600            # a report from further in the future counts as of now: that node's clock is wrong

MOST: Final = 2**62 - 1
"""No sum grows beyond it. A node that says absurd figures spoils its own; a sum that the database cannot hold would be an error
for the figures of all."""

MAX_MOVED: Final = 2**53            # bytes that one report says of one thing; more is no figure


def _grown(column: str, more: str) -> str:
    """SQL of a sum that ends at MOST."""
    return f"CASE WHEN {column} >= {MOST} - {more} THEN {MOST} ELSE {column} + {more} END"


_Key = tuple[int, str, str]
"""Of a series: instance, kind, name."""

_FOLD: Final = "INSERT INTO dashboard_trafficpoint (series_id, step, at, up, down, opened) VALUES (%s, %s, %s, %s, %s, %s)" \
    " ON CONFLICT (series_id, step, at) DO UPDATE SET " + ", ".join(
        f"{name} = {_grown(f'dashboard_trafficpoint.{name}', f'excluded.{name}')}" for name in ("up", "down", "opened"))

_TOTAL: Final = "UPDATE dashboard_trafficseries SET " + ", ".join(
    f"{name} = {_grown(name, f'%({name})s')}" for name in ("up", "down", "opened")) + " WHERE id = %(pk)s"

_CHARGE: Final = f"UPDATE dashboard_credential SET used_bytes = {_grown('used_bytes', '%(used)s')} WHERE email = %(email)s" \
    " AND inbound_id IN (SELECT id FROM dashboard_inbound WHERE instance_id = %(instance)s)"


@dataclass(frozen=True, slots=True)
class History:
    """Points of `step` seconds, oldest first, without gaps: (begin as Unix time, up, down, opened)."""

    step: int
    points: list[tuple[int, int, int, int]]


def keep(node_id: int, report: Traffic) -> bool:
    """Store a report of a node; False: it was stored before. Rows of instances that this node does not run are left out."""
    at = min(report.at, int(time.time()) + MAX_AHEAD_S) // REPORTED * REPORTED
    with transaction.atomic():
        if not _is_new(node_id, report.boot, report.seq):
            return False
        mine = set(Instance.objects.filter(node_id=node_id).values_list("pk", flat=True))
        moved: dict[_Key, list[int]] = defaultdict(lambda: [0, 0, 0])
        for one in report.moved:
            if one.instance in mine and "\0" not in one.name:
                counted = (min(one.up, MAX_MOVED), min(one.down, MAX_MOVED), min(one.opened, MAX_MOVED))
                _add(moved[one.instance, one.kind, one.name], counted)
        series = _series_of(moved)
        TrafficMoved.objects.bulk_create(
            TrafficMoved(series_id=series[key], at=at, up=up, down=down, opened=opened)
            for key, (up, down, opened) in moved.items() if key in series)
        _charge(moved)
    return True


def fold() -> int:
    """Add stored reports to the points; how many there were."""
    total = 0
    while count := _fold_some():
        total += count
    return total


def forget_old(now: float | None = None) -> int:
    """Delete points that are older than their step is kept for; how many."""
    now = time.time() if now is None else now
    total = 0
    for step, kept_s in KEPT_FOR.items():
        old = TrafficPoint.objects.filter(step=step, at__lt=int(now - kept_s))
        while pks := list(old.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
            total += TrafficPoint.objects.filter(pk__in=pks).delete()[0]
    TrafficSource.objects.filter(updated_at__lt=timezone.now() - SOURCES_KEPT_FOR).delete()
    return total


def history(instance_id: int, kind: str, name: str, span: str, now: float | None = None) -> History:
    """What moved lately. `span` is one of RANGES; what was not reported is zero."""
    length, step = RANGES[span]
    end = int(time.time() if now is None else now) // step * step
    begin = end - length + step
    rows = TrafficPoint.objects.filter(
        series__instance_id=instance_id, series__kind=kind, series__name=name, step=step, at__gte=begin, at__lte=end)
    found = {at: (up, down, opened) for at, up, down, opened in rows.order_by().values_list("at", "up", "down", "opened")}
    return History(step, [(at, *found.get(at, (0, 0, 0))) for at in range(begin, end + 1, step)])


def _is_new(node_id: int, boot: str, seq: int) -> bool:
    """Note that report `seq` of that agent process was taken. Agents send them in order."""
    sources = TrafficSource.objects.filter(node_id=node_id, boot=boot)
    if sources.filter(last_seq__lt=seq).update(last_seq=seq, updated_at=timezone.now()):
        return True
    if sources.exists():
        return False
    try:
        with transaction.atomic():
            TrafficSource.objects.create(node_id=node_id, boot=boot, last_seq=seq)
            others = TrafficSource.objects.filter(node_id=node_id).order_by("-updated_at", "-pk")
            others.filter(pk__in=list(others.values_list("pk", flat=True)[MAX_SOURCES:])).delete()
    except IntegrityError:      # somebody else is storing the same report
        return False
    return True


def _series_of(keys: Iterable[_Key]) -> dict[_Key, int]:
    """Their series, which are made where they are missing, up to MAX_SERIES of an instance."""
    wanted: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for instance_id, kind, name in keys:
        wanted[instance_id].add((kind, name))
    found: dict[_Key, int] = {}
    for instance_id, names in wanted.items():
        rows = TrafficSeries.objects.filter(instance_id=instance_id)
        known = {(kind, name): pk for pk, kind, name in rows.values_list("pk", "kind", "name")}
        missing = sorted(names - known.keys())[: max(0, MAX_SERIES - len(known))]
        if missing:
            TrafficSeries.objects.bulk_create(
                [TrafficSeries(instance_id=instance_id, kind=kind, name=name) for kind, name in missing], ignore_conflicts=True)
            known = {(kind, name): pk for pk, kind, name in rows.values_list("pk", "kind", "name")}
        found |= {(instance_id, *key): known[key] for key in names if key in known}
    return found


def _charge(moved: Mapping[_Key, Sequence[int]]) -> None:
    """What clients have used of their data limits, by e-mail: an e-mail that several have counts for each of them."""
    used: list[dict[str, int | str]] = [
        {"used": min(up + down, MOST), "email": name, "instance": instance_id}
        for (instance_id, kind, name), (up, down, _) in sorted(moved.items()) if kind == "user" and up + down]
    if not used:
        return
    with connection.cursor() as cursor:
        cursor.executemany(_CHARGE, used)


def _fold_some() -> int:
    with transaction.atomic():
        # Only one may take a row: whoever deletes it. Rows are numbered as they come, so a range is a batch.
        last = TrafficMoved.objects.order_by("pk")[:FOLDED_AT_ONCE].aggregate(last=Max("pk"))["last"]
        if last is None:
            return 0
        rows = list(TrafficMoved.objects.select_for_update().filter(pk__lte=last).order_by("pk")[:FOLDED_AT_ONCE])
        sums: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
        totals: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
        for row in rows:
            counted = (row.up, row.down, row.opened)
            for step in KEPT_FOR:
                _add(sums[row.series_id, step, row.at // step * step], counted)
            _add(totals[row.series_id], counted)
        with connection.cursor() as cursor:
            cursor.executemany(_FOLD, [(*key, *values) for key, values in sorted(sums.items())])
            cursor.executemany(_TOTAL, [
                {"pk": pk, "up": up, "down": down, "opened": opened} for pk, (up, down, opened) in sorted(totals.items())])
        TrafficMoved.objects.filter(pk__in=[row.pk for row in rows]).delete()
        return len(rows)


def _add(values: list[int], more: tuple[int, int, int]) -> None:
    for index, value in enumerate(more):
        values[index] = min(values[index] + value, MOST)
