"""One writer of an instance at a time, and its version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from dashboard.live.telling import tell_wanted
from dashboard.models import Instance
from dashboard.services.errors import ServiceError, VersionConflict

_UNTOUCHED = "_is_untouched"


def leave_version(instance: Instance) -> None:
    """To be called inside `writing` with what it gave."""
    setattr(instance, _UNTOUCHED, True)


@contextmanager
def holding(instance_id: int, expected_version: int | None = None) -> Iterator[Instance]:
    """A transaction that holds the instance's row, read anew, for what leaves its entries as they are.

    Raises VersionConflict if `expected_version` is not its version, ServiceError if it is gone.
    """
    with transaction.atomic():
        try:
            instance = Instance.objects.select_for_update().get(pk=instance_id)
        except Instance.DoesNotExist:
            raise ServiceError("this instance is not there any more") from None
        if expected_version is not None and expected_version != instance.version:
            raise VersionConflict(expected_version, instance.version)
        yield instance


@contextmanager
def writing(
    instance_id: int, expected_version: int | None = None, *, keeps_document: bool = False
) -> Iterator[Instance]:
    """The same for what changes it: its version has grown by one at the end.

    Its node looks afterwards whether something ends at once (services/limits.py).

    `leave_version` keeps it as it was, where nothing was changed after all. `keeps_document`: the change is of nothing that
    its document says (a note, the name), so it stays as published as it was.
    """
    with holding(instance_id, expected_version) as instance:
        yield instance
        if getattr(instance, _UNTOUCHED, False):
            return
        grown: dict[str, Any] = {"version": F("version") + 1, "updated_at": timezone.now()}
        if keeps_document and instance.settled_version == instance.version:
            grown["settled_version"] = F("version") + 1
            instance.settled_version += 1
        Instance.objects.filter(pk=instance_id).update(**grown)
        instance.version += 1
        tell_wanted(instance.node_id)
