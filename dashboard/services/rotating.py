"""A new encryption key: everything is encrypted with it, then the old one goes. It can be interrupted anywhere and run again.

The order keeps every stored value readable at every moment: the file has both keys, durably, before the first value is
encrypted with the new one, and loses the old one only when none is left, durably, that needs it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Model

from dashboard.choices import Verb
from dashboard.engine.columns import hashed_form, secret_of
from dashboard.fields import EncryptedTextField
from dashboard.keys import PREFIX, KeyProblem, KeyRing, new_key, read_keys, write_keys
from dashboard.models import Credential
from dashboard.models.jsontext import read_object
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError

BATCH_ROWS: Final = 500         # re-encrypted in one transaction
_ROUNDS: Final = 20             # while other processes still write with the old key

Progress = Callable[[str, int, int], None]
"""(table, values done, values that there are to do)"""


@dataclass(frozen=True, slots=True)
class Rotated:
    """Ids of the key that encrypts everything now, and of those that nothing needs any more; how many values were written."""

    key_id: str
    retired: list[str]
    values: int


@dataclass(frozen=True, slots=True)
class _Column:
    model: type[Model]
    field: EncryptedTextField

    @property
    def table(self) -> str:
        return connection.ops.quote_name(self.model._meta.db_table)

    @property
    def column(self) -> str:
        return connection.ops.quote_name(str(self.field.column))

    @property
    def key(self) -> str:
        return connection.ops.quote_name(str(self.model._meta.pk.column))


def rotate_file(path: Path, *, by: Actor, progress: Progress, keeps_old: bool = False) -> Rotated:
    """Add a key to the file (or go on with the first one of several), encrypt everything with it, remove the others.

    Raises ServiceError: another rotation runs, or something can only be read with a key that is not there.
    """
    with _alone(path):
        ring = _read(path)
        if len(ring.keys) == 1:
            write_keys(path, [new_key(), ring.keys[0].text], replace=True)
            ring = _read(path)
        values = encrypt_all(ring, by=by, progress=progress)
        retired = [key.id for key in ring.keys[1:]]
        if keeps_old:
            return Rotated(ring.keys[0].id, retired, values)
        for _ in range(_ROUNDS):
            if _retire(path, ring):
                # A process that had encrypted before the file changed may write only now: its key is still known here.
                return Rotated(ring.keys[0].id, retired, values + _encrypt_rest(ring, progress))
            values += _encrypt_rest(ring, progress)
    raise ServiceError("other processes go on writing with the old key; restart them, and run this again: nothing is lost")


def encrypt_all(ring: KeyRing, *, by: Actor, progress: Progress) -> int:
    """Encrypt every value with the first key of `ring`; how many were not yet. Raises ServiceError: a key is missing."""
    _write_through()
    values = _encrypt_rest(ring, progress)
    record(by, Verb.CHANGED, None, name="encryption keys", note=f"{values} values encrypted with the key {ring.keys[0].id}")
    return values


def _encrypt_rest(ring: KeyRing, progress: Progress) -> int:
    return sum(_encrypt_column(column, ring, progress) for column in _columns())


def _encrypt_column(column: _Column, ring: KeyRing, progress: Progress) -> int:
    total, done, after = _count(column, ring), 0, 0
    while total:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {column.key}, {column.column} FROM {column.table} WHERE {_is_old(column)} AND {column.key} > %s"
                f" ORDER BY {column.key} LIMIT {BATCH_ROWS}", [_current(ring), after])
            rows = cursor.fetchall()
        if not rows:
            break
        try:
            _write_rows(column, ring, rows)
        except KeyProblem as problem:
            raise ServiceError(f"{problem}. What was encrypted so far stays, and nothing is lost.") from None
        after = rows[-1][0]
        done += len(rows)
        progress(column.model._meta.db_table, done, max(done, total))
    return done


@transaction.atomic
def _write_rows(column: _Column, ring: KeyRing, rows: Sequence[tuple[int, str]]) -> None:
    """Each only if it still holds what was read: what somebody wrote meanwhile is found again in the next round."""
    name = column.field.column_name
    is_client = column.model is Credential and column.field.name == "body"
    also = f", {connection.ops.quote_name('secret_hash')} = %s" if is_client else ""
    changes: list[list[Any]] = []
    for pk, stored in rows:
        text = ring.decrypt(stored, name)
        hashes = [_hash(ring, text)] if is_client else []
        changes.append([ring.encrypt(text, name), *hashes, pk, stored])
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {column.table} SET {column.column} = %s{also} WHERE {column.key} = %s AND {column.column} = %s", changes)


def _hash(ring: KeyRing, body: str) -> str:
    secret = secret_of(read_object(body))
    return ring.keyed_hash(hashed_form(secret)) if secret else ""


def _retire(path: Path, ring: KeyRing) -> bool:
    """Remove all keys but the first, if nothing needs them: no other process writes while this is found out."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                tables = ", ".join(sorted({column.table for column in _columns()}))
                cursor.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")
        if any(_count(column, ring) for column in _columns()):
            return False
        write_keys(path, [ring.keys[0].text], replace=True)
    return True


def _columns() -> Iterator[_Column]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedTextField):
                yield _Column(model, field)


def _count(column: _Column, ring: KeyRing) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {column.table} WHERE {_is_old(column)}", [_current(ring)])
        return int(cursor.fetchone()[0])


def _is_old(column: _Column) -> str:
    return f"{column.column} <> '' AND {column.column} NOT LIKE %s"


def _current(ring: KeyRing) -> str:
    return f"{PREFIX}{ring.keys[0].id}:%"


def _write_through() -> None:
    """SQLite: each commit is on the disk before the next step, with all that came before it."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")


def _read(path: Path) -> KeyRing:
    try:
        return read_keys(path)
    except (FileNotFoundError, KeyProblem) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be used: {error}"
        raise ServiceError(f"{path} {reason}") from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Raises ServiceError: another rotation runs."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceError("another rotation of these keys is running") from None
        yield
    finally:
        os.close(descriptor)
