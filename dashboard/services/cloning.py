"""A copy of an instance, with everything that it holds."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from dashboard.choices import Verb
from dashboard.engine.content import Content, Entry
from dashboard.models import Credential, Instance, Node
from dashboard.services.auditing import Actor, record
from dashboard.services.importing import import_content
from dashboard.services.instances import change_instance, create_instance
from dashboard.services.storing import load_content

_KEPT_OF_CLIENTS: Final = ("expires_at", "data_limit_bytes", "reset_period", "note")
"""Columns of a client that are no part of its entry, and not counters."""


@transaction.atomic
def clone_instance(instance: Instance, *, name: str, by: Actor, node: Node | None = None) -> Instance:
    """A new instance with the same entries, clients and rest. It is off, as its ports are those of the original.

    Raises ServiceError: the name is taken, or is none.
    """
    content = load_content(instance)
    made = create_instance(name=name, node=node or instance.node, by=by, note=instance.note)
    change_instance(
        made, by=by, enabled=False, memory_limit_mib=instance.memory_limit_mib, descriptor_limit=instance.descriptor_limit)
    copied = _without_rows(content)
    import_content(made, copied, by=by, note=f"copied from {instance.name}")
    _copy_limits(instance, made)
    record(by, Verb.CREATED, made, instance=made, note=f"a copy of {instance.name}")
    made.refresh_from_db()
    return made


def _without_rows(content: Content) -> Content:
    copied = Content(content.rest, content.comments)
    for kind, entries in content.entries.items():
        copied.entries[kind] = [_fresh(entry) for entry in entries]
    return copied


def _fresh(entry: Entry) -> Entry:
    return Entry(entry.body, entry.comments, [_fresh(client) for client in entry.clients], enabled=entry.enabled)


def _copy_limits(instance: Instance, made: Instance) -> None:
    """The clients of both are in the same order."""
    limits: list[dict[str, Any]] = list(_in_order(instance).values(*_KEPT_OF_CLIENTS))
    copies = list(_in_order(made))
    changed = []
    for copy, columns in zip(copies, limits, strict=True):
        for field, value in columns.items():
            setattr(copy, field, value)
        if any(value not in (None, "", "never") for value in columns.values()):
            changed.append(copy)
    Credential.objects.bulk_update(changed, _KEPT_OF_CLIENTS, batch_size=200)


def _in_order(instance: Instance) -> QuerySet[Credential]:
    return Credential.objects.filter(inbound__instance=instance).order_by(
        "inbound__position", "inbound_id", "position", "id").defer("comments")
