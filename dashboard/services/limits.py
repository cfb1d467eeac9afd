"""Credentials that end before their document does: found from the rows as they are now, told by places in what is published.

Switched off, deleted, expired or used up: none of these waits for somebody to publish.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.db.models import Q
from django.utils import timezone

from dashboard.engine.content import client_place, list_place
from dashboard.engine.going_back import CLIENTS
from dashboard.models import Credential, Revision
from dashboard.models.jsontext import read_object
from proxycore.api import render_path
from proxycore.messages.worker import Limit

_COLUMNS: Final = ("email", "enabled", "expires_at", "data_limit_bytes", "used_bytes", "period_began_at")
_REMEMBERED: Final = 256            # revisions whose places are known to this process


class Planned(NamedTuple):
    """A limit, and what it is known by: two that have the same `sign` need not be sent twice, although time and data went on."""

    limit: Limit
    sign: tuple[Any, ...]


class _Lists(NamedTuple):
    """Of one inbound of a document: where its clients are listed, and how many stand there before those that are rows."""

    place: str
    offset: int


def limits_of(revision: Revision) -> list[Planned]:
    """All limits, in the order of its document."""
    clients: list[list[int]] = revision.rows.get(CLIENTS, [])
    if not any(clients):
        return []
    mine = Credential.objects.filter(inbound__instance_id=revision.instance_id)
    there = set(mine.values_list("pk", flat=True))
    unlimited = Q(enabled=True, expires_at=None, data_limit_bytes=None)
    limited = mine.exclude(unlimited).only(*_COLUMNS).in_bulk()
    now = timezone.now()
    found: list[Planned] = []
    for inbound, pks in enumerate(clients):
        for number, pk in enumerate(pks):
            if pk in limited or pk not in there:
                lists = _lists(revision.pk, revision.document_sha256)
                if inbound < len(lists) and lists[inbound] is not None:
                    place, offset = lists[inbound]  # type: ignore[misc]
                    found.append(_limit(f"{place}[{offset + number}]", limited.get(pk), now))
    return found


def _limit(path: str, row: Any, now: datetime) -> Planned:
    if row is None or not row.enabled or row.is_used_up or (row.expires_at is not None and row.expires_at <= now):
        limit = Limit(path=path, email=row.email if row is not None else "", bytes_left=0)
        return Planned(limit, (path, 0))
    left = None if row.data_limit_bytes is None else row.data_limit_bytes - row.used_bytes
    expires = row.expires_at.timestamp() if row.expires_at is not None else None
    limit = Limit(path=path, email=row.email, expires_at=expires, bytes_left=left)
    return Planned(limit, (path, row.email, expires, row.data_limit_bytes, row.period_began_at))


@lru_cache(maxsize=_REMEMBERED)
def _lists(revision_pk: int, sha256: str) -> tuple[_Lists | None, ...]:
    """Per inbound that is a row, in order. A revision never changes, so its document is read once."""
    revision = Revision.objects.only("document", "rows").get(pk=revision_pk)
    document, clients = read_object(revision.document), revision.rows.get(CLIENTS, [])
    at = list_place(document, ("inbounds",))
    inbounds = document[str(at[0])] if at is not None else []
    before = len(inbounds) - len(clients)       # what stands in the list and is no object comes first, and is no row
    if before < 0:
        return ()
    return tuple(
        _list(inbounds[before + number], (*(at or ()), before + number), len(pks)) for number, pks in enumerate(clients))


def _list(body: dict[str, Any], place: tuple[str | int, ...], count: int) -> _Lists | None:
    at = client_place(body)
    if at is None:
        return None
    listed = body[str(at[0])][str(at[1])]
    return _Lists(render_path((*place, *at)), len(listed) - count) if isinstance(listed, list) and len(listed) >= count else None
