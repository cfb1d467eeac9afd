"""Clients of inbounds, one by one."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.db.models import Max
from django.utils import timezone

from dashboard.choices import ResetPeriod, Verb
from dashboard.engine.content import Body, Entry, get
from dashboard.engine.diff import Change, diff_entries
from dashboard.engine.secrets import restore
from dashboard.models import Credential, Inbound, Instance
from dashboard.models import Entry as EntryModel
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError, refuse_masks
from dashboard.services.locking import leave_version, writing
from dashboard.services.storing import client_columns, delete_rows, read_stored_comments

PASSWORD_BYTES: Final = 24
_LOGIN_PROTOCOLS: Final = frozenset({"socks", "mixed", "http"})
_PASSWORD_PROTOCOLS: Final = frozenset({"trojan", "shadowsocks"})
_COLUMNS: Final = ("enabled", "expires_at", "data_limit_bytes", "reset_period", "note")
_UNSET: Final[Any] = object()


def new_client_body(inbound: Inbound, email: str = "") -> Body:
    """An entry with a fresh id or password, as the inbound's protocol wants it."""
    if inbound.protocol in _LOGIN_PROTOCOLS:
        return {"user": email or f"user-{secrets.token_hex(3)}", "pass": secrets.token_urlsafe(PASSWORD_BYTES)}
    named: Body = {"email": email} if email else {}
    if inbound.protocol in _PASSWORD_PROTOCOLS:
        return {"password": secrets.token_urlsafe(PASSWORD_BYTES), **named}
    return {"id": str(uuid.uuid4()), **named}


def create_client(
    inbound: Inbound,
    body: Body,
    *,
    by: Actor,
    expected_version: int | None = None,
    enabled: bool = True,
    expires_at: datetime | None = None,
    data_limit_bytes: int | None = None,
    reset_period: str = ResetPeriod.NEVER,
    note: str = "",
) -> Credential:
    """At the end of the inbound's list.

    Raises ServiceError: another one has its id or name, or it has masks instead of secrets; VersionConflict.
    """
    with writing(inbound.instance_id, expected_version) as instance:
        refuse_masks(body)
        columns = client_columns(Entry(body))
        _check_twice(inbound.pk, body, columns, None)
        last = inbound.credentials.aggregate(last=Max("position"))["last"]
        row = Credential.objects.create(
            inbound=inbound, position=0 if last is None else last + 1, enabled=enabled, expires_at=expires_at,
            data_limit_bytes=data_limit_bytes, reset_period=reset_period, note=note,
            period_began_at=timezone.now() if reset_period != ResetPeriod.NEVER else None, **columns)
        text = f"client {row} of inbound {inbound} is new"
        record(by, Verb.CREATED, row, instance=instance, changes=[Change("added", "client", str(row), "", None, None, text)])
        return row


def change_client(
    credential: Credential,
    *,
    by: Actor,
    expected_version: int | None = None,
    body: Body | None = None,
    enabled: bool = _UNSET,
    expires_at: datetime | None = _UNSET,
    data_limit_bytes: int | None = _UNSET,
    reset_period: str = _UNSET,
    note: str = _UNSET,
) -> Credential:
    """Change what is given; a mask in `body` is what stands there. Raises as `create_client` does."""
    given = (enabled, expires_at, data_limit_bytes, reset_period, note)
    columns = {name: value for name, value in zip(_COLUMNS, given, strict=True) if value is not _UNSET}
    with writing(credential.instance_id, expected_version) as instance:
        row = _current(credential)
        whose = f"{row} of inbound {row.inbound}"
        changes: list[Change] = []
        written: set[str] = set()
        if body is not None:
            before = Entry(row.entry, read_stored_comments(row.comments))
            after = Entry(restore(body, before.body), before.comments)
            refuse_masks(after.body)
            changes += diff_entries("client", whose, before, after)
            fresh = client_columns(after)
            _check_twice(row.inbound_id, after.body, fresh, row.pk)
            for name, value in fresh.items():
                setattr(row, name, value)
                written.add(name)
        for name, value in columns.items():
            old = getattr(row, name)
            if old == value:
                continue
            words = "changes" if name == "note" else f"{_shown(old)} -> {_shown(value)}"
            text = f"{name.replace('_', ' ')} of client {whose} {words}"
            changes.append(Change("changed", "client", whose, name, _shown(old), _shown(value), text))
            setattr(row, name, value)
            written.add(name)
            if name == "reset_period":
                row.period_began_at = timezone.now() if value != ResetPeriod.NEVER else None
                row.period_day = 0
                written |= {"period_began_at", "period_day"}
        if not changes:
            leave_version(instance)
            return row
        # Nodes report what it uses, and periods begin, all the while: what was read above may be old by now.
        row.save(update_fields=[*written, "updated_at"])
        record(by, Verb.CHANGED, row, instance=instance, changes=changes)
        return row


def delete_clients(rows: Iterable[Credential], *, by: Actor) -> int:
    """How many there were."""
    return sum(_each_instance(rows, _delete, by))


def reset_usage(rows: Iterable[Credential], *, by: Actor) -> int:
    """What they have used starts from zero now."""
    return sum(_each_instance(rows, _reset, by))


def reveal(row: EntryModel | Credential, *, by: Actor) -> Body:
    """The entry in clear; that it was shown is in the audit log. Who asks has to check that he may."""
    instance = row.inbound.instance if isinstance(row, Credential) else row.instance
    record(by, Verb.REVEALED, row, instance=instance)
    return row.entry


def _each_instance(rows: Iterable[Credential], act: Any, by: Actor) -> Iterable[int]:
    groups: dict[int, list[int]] = {}
    for row in rows:
        groups.setdefault(row.instance_id, []).append(row.pk)
    for instance_id, pks in groups.items():
        with writing(instance_id) as instance:
            found = list(Credential.objects.filter(pk__in=pks).select_related("inbound").order_by("inbound", "position"))
            act(found, instance, by)
            yield len(found)


def _delete(rows: list[Credential], instance: Instance, by: Actor) -> None:
    changes = [
        Change("removed", "client", str(row), "", None, None, f"client {row} of inbound {row.inbound} is removed") for row in rows
    ]
    record(by, Verb.DELETED, rows[0] if len(rows) == 1 else None, instance=instance, changes=changes, name=_together(rows))
    delete_rows(Credential, [row.pk for row in rows])


def _reset(rows: list[Credential], instance: Instance, by: Actor) -> None:
    changes = [
        Change("changed", "client", str(row), "used_bytes", str(row.used_bytes), "0",
               f"used data of client {row} of inbound {row.inbound} {row.used_bytes} bytes -> 0")
        for row in rows
    ]
    Credential.objects.filter(pk__in=[row.pk for row in rows]).update(
        used_bytes=0, period_began_at=timezone.now(), period_day=0)
    record(by, Verb.CHANGED, rows[0] if len(rows) == 1 else None, instance=instance, changes=changes, name=_together(rows))


def _together(rows: list[Credential]) -> str:
    return str(rows[0]) if len(rows) == 1 else f"{len(rows)} clients"


def _current(credential: Credential) -> Credential:
    try:
        return Credential.objects.select_related("inbound").get(pk=credential.pk)
    except Credential.DoesNotExist:
        raise ServiceError("this client is not there any more") from None


def _check_twice(inbound_id: int, body: Body, columns: dict[str, Any], but: int | None) -> None:
    """Two clients with one id cannot be told apart, nor can two log-ins of one name."""
    others = Credential.objects.filter(inbound_id=inbound_id)
    if but is not None:
        others = others.exclude(pk=but)
    if get(body, "user") is not None:
        twin, what = others.filter(email=columns["email"]).first(), "user"
    elif columns["secret_hash"]:
        twin, what = others.filter(secret_hash=columns["secret_hash"]).first(), "id"
    else:
        return
    if twin is not None:
        shared = "name" if what == "user" else "id or password"
        raise ServiceError(f"the client {twin} of this inbound has this {shared} already", what)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="minutes")
    return "none" if value is None or value == "" else str(value).lower() if isinstance(value, bool) else str(value)
