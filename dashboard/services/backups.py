"""The panel in one file, and back: its database, its keys, and the identity of this host's own node.

    xrev-backup.tar.gz
      about.json            format, program, database, when
      database              SQLite's file, or pg_dump's custom format
      secret_key, encryption.key, agent-identity.json       where they are files; none of them with `with_keys` off

A copy of SQLite's file is consistent while the panel writes (its own backup interface); so is pg_dump.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connections
from django.db.migrations.loader import MigrationLoader

from dashboard.services.errors import ServiceError

FORMAT: Final = 1
ABOUT: Final = "about.json"
DATABASE: Final = "database"
SQLITE: Final = "sqlite3"
POSTGRES: Final = "postgresql"
MAX_ABOUT_BYTES: Final = 64 * 1024
_POSTGRES_FOLDERS: Final = "usr/lib/postgresql/*/bin"       # where Debian keeps its programs, off the PATH


class BackupError(ServiceError):
    """Nothing was changed unless it says so."""


@dataclass(frozen=True, slots=True)
class About:
    """What a backup says of itself. `migrations`: the newest of each app, which tells the version of the database."""

    database: str
    made_at: str
    migrations: dict[str, str]
    has_keys: bool


def backup(path: Path, *, with_keys: bool = True) -> About:
    """Write `path`, whole or not at all, readable by its owner only. Raises BackupError."""
    about = About(_kind(), datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), _migrations(), with_keys)
    with _work(path.parent) as folder:
        _dump(folder / DATABASE)
        draft = folder / "backup"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
                told = {"format": FORMAT, "database": about.database, "made_at": about.made_at, "migrations": about.migrations,
                        "has_keys": with_keys}
                _add_text(archive, ABOUT, json.dumps(told, indent=2))
                archive.add(folder / DATABASE, DATABASE, recursive=False)
                for name, key in _key_files().items() if with_keys else ():
                    if key.exists():
                        archive.add(key, name, recursive=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    return about


def read_about(path: Path) -> About:
    """Raises BackupError: it is no backup, or one of another format."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
            file = archive.extractfile(first) if first is not None and first.name == ABOUT else None
            told: Any = json.loads(file.read(MAX_ABOUT_BYTES)) if file is not None else {}
            if told.get("format") != FORMAT:
                raise BackupError(f"{path} is no backup of this program, or of another version's format")
            return About(str(told["database"]), str(told["made_at"]), dict(told["migrations"]), bool(told["has_keys"]))
    except (OSError, tarfile.TarError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise BackupError(f"{path} cannot be read as a backup: {error}") from None


def restore(path: Path, *, replaces: bool, say: Callable[[str], None]) -> About:
    """Put back what `backup` wrote, then bring the database up to date. Nothing may use the database meanwhile.

    What was there is kept beside it (SQLite, key files) with `.before-restore` behind its name. Raises BackupError: it is for
    another kind of database, newer than this program, or there is something already and `replaces` does not say so.
    """
    about = read_about(path)
    if about.database != _kind():
        raise BackupError(f"the backup is of {about.database}, and DATABASE_URL is of {_kind()}")
    if newer := _unknown_migrations(about.migrations):
        raise BackupError(f"the backup is of a newer version of this program, which knows {newer}: upgrade first")
    if not replaces and _has_content():
        raise BackupError("there is a database with content already: say --replace to put the backup in its place")
    with _work(Path(settings.VAR_DIR)) as folder:
        with tarfile.open(path, "r:gz") as archive:
            for name in (DATABASE, *_key_files()):
                _extract(archive, name, folder / name)
        _load(folder / DATABASE)
        for name, key in _key_files().items():
            if (folder / name).exists():
                _put_in_place(folder / name, key)
                say(f"{key} is the backup's")
    call_command("migrate", verbosity=0, interactive=False)
    return about


def _kind() -> str:
    return connections["default"].vendor.replace("sqlite", SQLITE)


def _key_files() -> Mapping[str, Path]:
    """Name in the backup, place."""
    var = Path(settings.VAR_DIR)
    return {
        "secret_key": var / "secret_key",
        "encryption.key": Path(settings.ENCRYPTION_KEY_FILE),
        "agent-identity.json": var / "agent" / "identity.json",
    }


@contextmanager
def _work(beside: Path) -> Iterator[Path]:
    """A private folder on the same file system, so that what is made there can be renamed into its place."""
    try:
        with tempfile.TemporaryDirectory(prefix=".xrev-backup-", dir=beside) as name:
            yield Path(name)
    except OSError as error:
        raise BackupError(f"{error.filename or beside}: {error.strerror}") from None


def _migrations() -> dict[str, str]:
    loader = MigrationLoader(connections["default"])
    if not loader.applied_migrations:
        raise BackupError("the database is empty: there is nothing to keep")
    newest: dict[str, str] = {}
    for app, name in loader.applied_migrations:
        newest[app] = max(newest.get(app, ""), name)
    return newest


def _unknown_migrations(newest: dict[str, str]) -> str:
    known = MigrationLoader(None).disk_migrations
    return ", ".join(f"{app}.{name}" for app, name in newest.items() if (app, name) not in known)


def _has_content() -> bool:
    """Whether somebody was here: an account, a node, an instance."""
    from django.contrib.auth import get_user_model

    from dashboard.models import Instance

    try:
        return get_user_model().objects.exists() or Instance.objects.exists()
    except DatabaseError:               # no tables yet
        return False


def _dump(target: Path) -> None:
    connection = connections["default"]
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(target)) as copy:
            connection.connection.backup(copy)
        return
    _postgres("pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", str(target))


def _load(source: Path) -> None:
    connection = connections["default"]
    if connection.vendor == "sqlite":
        place = Path(connection.settings_dict["NAME"])
        with closing(sqlite3.connect(source)) as copy:
            if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise BackupError("the database in the backup is damaged; nothing was changed")
        connections.close_all()
        _end_log(place)
        _put_in_place(source, place)
        return
    connections.close_all()
    _postgres("pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error",
              "--dbname", _postgres_database(), str(source))


def _end_log(place: Path) -> None:
    """What a panel that was killed left in the log beside SQLite's file goes into the file, which is kept; the log would be taken
    for the new file's, so it is gone before that is there."""
    if place.exists():
        with closing(sqlite3.connect(place)) as old, suppress(sqlite3.DatabaseError):     # damaged: why it is replaced, maybe
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm"):
        place.with_name(place.name + suffix).unlink(missing_ok=True)


def _put_in_place(source: Path, place: Path) -> None:
    os.chmod(source, 0o600)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if place.exists():
        shutil.copy2(place, place.with_name(place.name + ".before-restore"))
    os.replace(source, place)


def _postgres_database() -> str:
    return str(connections["default"].settings_dict["NAME"])


def _postgres(program: str, *arguments: str) -> None:
    """The password goes by the environment: command lines can be read by everybody. Raises BackupError."""
    found = shutil.which(program) or next(
        (str(path) for path in sorted(Path("/").glob(f"{_POSTGRES_FOLDERS}/{program}"), reverse=True)), None)
    if found is None:
        raise BackupError(f"{program} is not installed (Debian: apt-get install postgresql-client)")
    given = connections["default"].settings_dict
    options = given.get("OPTIONS", {})
    wanted = {
        "PGHOST": given.get("HOST") or options.get("host"), "PGPORT": given.get("PORT") or options.get("port"),
        "PGUSER": given.get("USER") or options.get("user"), "PGPASSWORD": given.get("PASSWORD"),
        "PGDATABASE": _postgres_database(), "PGSSLMODE": options.get("sslmode"),
    }
    environment = {**os.environ, **{name: str(value) for name, value in wanted.items() if value}}
    done = subprocess.run([found, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip()[-1000:]}")


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(text.encode())
    entry.mode = 0o600
    archive.addfile(entry, io.BytesIO(text.encode()))


def _extract(archive: tarfile.TarFile, name: str, target: Path) -> None:
    """By name, never by what the archive says where it belongs."""
    try:
        entry = archive.getmember(name)
    except KeyError:
        if name == DATABASE:
            raise BackupError("the backup has no database") from None
        return
    file = archive.extractfile(entry)
    if file is None or not entry.isfile():
        raise BackupError(f"{name} in the backup is no file")
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        shutil.copyfileobj(file, out)
