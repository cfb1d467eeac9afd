"""The audit log: who did what. Nothing here gets a secret: changes come masked from the diff."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Model

from dashboard.choices import Verb
from dashboard.engine.diff import Change
from dashboard.models import ApiToken, AuditEntry, Instance

Actor = AbstractBaseUser | AnonymousUser | None
"""Who does something; None is a command on the host."""

MAX_CHANGES: Final = 200        # of one entry of the log; more are counted


class Origin(NamedTuple):
    token: ApiToken | None = None
    address: str | None = None


_NOWHERE: Final = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


@contextmanager
def origin(token: ApiToken | None = None, address: str | None = None) -> Iterator[None]:
    """What is recorded inside came by this token and from this address."""
    before = _origin.set(Origin(token, address))
    try:
        yield
    finally:
        _origin.reset(before)


def record(
    by: Actor,
    verb: Verb,
    subject: Model | None,
    *,
    instance: Instance | None = None,
    changes: Iterable[Change] = (),
    note: str = "",
    name: str | None = None,
) -> AuditEntry:
    """Write one line of the log. `name` is what `subject` is called; its text by default."""
    listed = list(changes)
    shown: list[dict[str, Any]] = [change.as_json() for change in listed[:MAX_CHANGES]]
    if len(listed) > MAX_CHANGES:
        note = f"{note}; {len(listed) - MAX_CHANGES} more changes" if note else f"{len(listed) - MAX_CHANGES} more changes"
    is_person = by is not None and by.is_authenticated
    came_by = _origin.get()
    return AuditEntry.objects.create(
        actor=by if is_person else None,  # type: ignore[misc]
        actor_name=by.get_username() if by is not None and is_person else "",
        token=came_by.token,
        address=came_by.address,
        verb=verb,
        object_type=subject._meta.model_name if subject is not None else "",
        object_id=str(subject.pk) if subject is not None else "",
        object_name=(str(subject) if name is None else name)[:255] if subject is not None or name else "",
        instance=instance,
        changes=shown,
        note=note,
    )
