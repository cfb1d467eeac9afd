"""Making, renaming, moving and removing instances."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from dashboard.choices import Verb
from dashboard.live.telling import tell_wanted
from dashboard.models import Instance, Node
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError
from dashboard.services.locking import writing
from dashboard.services.tokens import revoke_tokens_of

LOCAL_NODE = "local"


def local_node() -> Node:
    """The node for what runs on the panel's own host; made when it is first asked for."""
    return Node.objects.get_or_create(name=LOCAL_NODE, defaults={"is_local": True})[0]


@transaction.atomic
def create_instance(*, name: str, node: Node, by: Actor, note: str = "") -> Instance:
    """An empty one. Raises ServiceError: the name is taken, or is none."""
    instance = Instance(name=name, node=node, note=note)
    _check(instance)
    instance.save()
    record(by, Verb.CREATED, instance, instance=instance)
    return instance


def change_instance(
    instance: Instance,
    *,
    by: Actor,
    expected_version: int | None = None,
    name: str | None = None,
    node: Node | None = None,
    note: str | None = None,
    enabled: bool | None = None,
    memory_limit_mib: int | None = None,
    descriptor_limit: int | None = None,
) -> Instance:
    """Change what is given. Raises ServiceError, VersionConflict."""
    with writing(instance.pk, expected_version, keeps_document=True) as locked:
        told: list[str] = []
        tell_wanted(locked.node_id)     # where it runs now; its next node hears of it at the end
        given = {
            "name": name, "node": node, "note": note, "enabled": enabled, "memory_limit_mib": memory_limit_mib,
            "descriptor_limit": descriptor_limit}
        for field, value in given.items():
            if value is not None and getattr(locked, field) != value:
                told.append(f"{field} {getattr(locked, field)} -> {value}" if field != "note" else "note changes")
                setattr(locked, field, value)
        _check(locked)
        locked.save(update_fields=list(given))
        record(by, Verb.CHANGED, locked, instance=locked, note="; ".join(told))
    instance.refresh_from_db()
    return instance


@transaction.atomic
def delete_instance(instance: Instance, *, by: Actor) -> None:
    """With all its entries and revisions; API tokens for it alone are revoked."""
    revoke_tokens_of(instance, by=by)
    record(by, Verb.DELETED, instance)
    tell_wanted(instance.node_id)
    instance.delete()


def _check(instance: Instance) -> None:
    try:
        instance.full_clean(exclude=["rest", "comments"])
    except ValidationError as error:
        raise ServiceError("; ".join(error.messages), next(iter(error.message_dict), "")) from None
