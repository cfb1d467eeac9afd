"""Pausing a tunnel: it takes no new clients until it is resumed. What runs goes on, and its bridges stay connected.

It needs no publishing and is no part of a document: its node hears of it at once, as it does of credentials that end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from django.db import transaction

from dashboard.choices import Verb
from dashboard.engine.content import Kind
from dashboard.engine.tunnels import End, Side
from dashboard.live.telling import tell_wanted
from dashboard.models import Instance, Pause
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError
from dashboard.services.topology import Lane, ends_of
from proxycore.messages.worker import PausedTunnel

Act = Literal["pause", "resume"]


@transaction.atomic
def pause(instance: Instance, side: Side, key: str, *, by: Actor) -> bool:
    """False: it was paused already. Raises ServiceError: there is no such tunnel."""
    end = _find(instance, side, key)
    if any(_is_of(row, end) for row in Pause.objects.filter(instance=instance)):
        return False
    is_person = by is not None and by.is_authenticated
    row, is_new = Pause.objects.get_or_create(
        instance=instance, side=side, tag=end.tag, defaults={
            "kind": end.kind, "row": end.pk, "by_name": by.get_username() if by is not None and is_person else ""})
    if not is_new:              # another one was called so once
        Pause.objects.filter(pk=row.pk).update(kind=end.kind, row=end.pk)
    record(by, Verb.PAUSED, row, instance=instance, note="takes no new clients")
    tell_wanted(instance.node_id)
    return True


@transaction.atomic
def resume(instance: Instance, side: Side, key: str, *, by: Actor) -> bool:
    """False: it was not paused. Raises ServiceError: there is no such tunnel."""
    end = _find(instance, side, key)
    rows = [row for row in Pause.objects.filter(instance=instance) if _is_of(row, end)]
    for row in rows:
        record(by, Verb.RESUMED, row, instance=instance, note="takes new clients again")
        row.delete()
    if rows:
        tell_wanted(instance.node_id)
    return bool(rows)


def paused_tunnels(instances: Collection[int]) -> dict[int, tuple[PausedTunnel, ...]]:
    """Of these instances, as their newest revisions call them: 1 query, and what `ends_of` takes where some are paused."""
    rows: dict[int, list[Pause]] = {}
    for row in Pause.objects.filter(instance__in=instances):
        rows.setdefault(row.instance_id, []).append(row)
    if not rows:
        return {}
    return {
        pk: tuple(PausedTunnel(kind=end.side, tunnel=end.tag) for end in ends if any(_is_of(row, end) for row in rows[pk]))
        for pk, ends in ends_of(rows).items()}


def pauses_of(lanes: Iterable[Lane]) -> Mapping[str, Pause]:
    """By the lane's key: of its portal, or of its bridge where the portal is somebody else's. One query."""
    rows = list(Pause.objects.all())
    found: dict[str, Pause] = {}
    for lane in lanes if rows else ():
        for row in rows:
            if row.instance_id == lane.place.pk and _is_of(row, lane.end):
                found[lane.key] = row
    return found


def _find(instance: Instance, side: Side, key: str) -> End:
    for end in ends_of([instance.pk]).get(instance.pk, []):
        if (end.side, end.key) == (side, key) and end.tag:
            return end
    raise ServiceError(f"{instance} has no {side} {key!r}", "tunnel")


def _is_of(row: Pause, end: End) -> bool:
    """By its row, so that another tag does not resume it; several tunnels of VLESS may be written in one inbound."""
    if row.side != end.side:
        return False
    if row.row is None or end.pk is None or end.kind is Kind.INBOUND:
        return row.tag == end.tag
    return (row.kind, row.row) == (end.kind, end.pk)
