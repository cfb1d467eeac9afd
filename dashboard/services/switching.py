"""Enabling and disabling: what is disabled is kept, and in no document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from dashboard.choices import Verb
from dashboard.engine.diff import Change
from dashboard.models import Credential, Inbound
from dashboard.models import Entry as EntryModel
from dashboard.services.auditing import Actor, record
from dashboard.services.editing import stored_entry
from dashboard.services.locking import leave_version, writing
from dashboard.services.ports import check_ports
from dashboard.services.storing import kind_of


@transaction.atomic
def set_enabled(rows: Iterable[EntryModel | Credential], enabled: bool, *, by: Actor) -> int:
    """How many were not so before; of one or several instances, all or none. Raises PortTaken."""
    groups: dict[int, list[EntryModel | Credential]] = {}
    for row in rows:
        groups.setdefault(row.instance_id, []).append(row)
    return sum(_switch(instance_id, group, enabled, by) for instance_id, group in sorted(groups.items()))


def _switch(instance_id: int, rows: list[EntryModel | Credential], enabled: bool, by: Actor) -> int:
    with writing(instance_id) as instance:
        switched: list[Any] = []
        for row in rows:
            model: Any = type(row)
            if model.objects.filter(pk=row.pk).exclude(enabled=enabled).update(enabled=enabled):
                row.enabled = enabled
                switched.append(row)
                if enabled and isinstance(row, Inbound):
                    check_ports(instance, stored_entry(row))
        if not switched:
            leave_version(instance)
            return 0
        verb = Verb.ENABLED if enabled else Verb.DISABLED
        changes = [
            Change("changed", kind, str(row), "enabled", str(not enabled).lower(), str(enabled).lower(),
                   f"{kind} {row}{_where(row)} is {verb}")
            for row in switched
            for kind in ("client" if isinstance(row, Credential) else str(kind_of(row)),)
        ]
        only = switched[0] if len(switched) == 1 else None
        record(by, verb, only, instance=instance, changes=changes, name=str(only or f"{len(switched)} entries"))
        return len(switched)


def _where(row: EntryModel | Credential) -> str:
    return f" of inbound {row.inbound}" if isinstance(row, Credential) else ""
