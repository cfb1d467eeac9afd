"""One writer of an instance at a time, and its version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from dashboard.models import Instance
from dashboard.services.errors import ServiceError, VersionConflict

_UNTOUCHED = "_is_untouched"


def leave_version(instance: Instance) -> None:
    """To be called inside `writing` with what it gave."""
    setattr(instance, _UNTOUCHED, True)


@contextmanager
def writing(instance_id: int, expected_version: int | None = None) -> Iterator[Instance]:
    """A transaction that holds the instance's row, read anew; its version has grown by one at the end.

    `leave_version` keeps it as it was, where nothing was changed after all.

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
        if getattr(instance, _UNTOUCHED, False):
            return
        Instance.objects.filter(pk=instance_id).update(version=F("version") + 1, updated_at=timezone.now())
        instance.version += 1
