"""The order of rules (the first that fits decides) and of outbounds (the first is the default)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboard.choices import Verb
from dashboard.engine.content import Kind
from dashboard.engine.diff import diff_lists
from dashboard.models import Entry as EntryModel
from dashboard.models import Instance
from dashboard.services.auditing import Actor, record
from dashboard.services.editing import place_rows
from dashboard.services.errors import ServiceError
from dashboard.services.locking import leave_version, writing
from dashboard.services.storing import kind_of, load_entries


def reorder(instance: Instance, kind: Kind, pks: Sequence[int], *, by: Actor, expected_version: int | None = None) -> None:
    """Put a whole list into this order. Raises ServiceError: these are not all of its entries, once each; VersionConflict."""
    with writing(instance.pk, expected_version) as locked:
        _reorder(locked, kind, pks, by)


def move_entry(row: EntryModel, to: int, *, by: Actor, expected_version: int | None = None) -> Any:
    """Make it number `to` (from 0) of its list, or the last. Raises ServiceError: it is gone; VersionConflict."""
    kind = kind_of(row)
    with writing(row.instance_id, expected_version) as locked:
        pks = [entry.pk or 0 for entry in load_entries(kind, locked.pk)]
        if row.pk not in pks:
            raise ServiceError(f"this {kind} is not there any more")
        pks.remove(row.pk)
        pks.insert(max(0, to), row.pk)
        _reorder(locked, kind, pks, by)
    row.refresh_from_db()
    return row


def _reorder(instance: Instance, kind: Kind, pks: Sequence[int], by: Actor) -> None:
    before = load_entries(kind, instance.pk)
    places = {entry.pk: number for number, entry in enumerate(before)}
    if len(pks) != len(places) or set(pks) != set(places):
        raise ServiceError(f"the order has to name each {kind} of the instance once; the list has changed meanwhile")
    order = [places[pk] for pk in pks]
    changes = list(diff_lists(kind, before, [before[number] for number in order], list(order)))
    if not changes:
        leave_version(instance)
        return
    place_rows(instance, kind, pks)
    record(by, Verb.REORDERED, instance, instance=instance, changes=changes)
