"""`backup` and `restore` as a person runs them, on SQLite; tests/xrevsite/serving/test_variants.py has the other database."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from dashboard.services.backups import BackupError, restore
from tests.support.database import put_database
from tests.xrevsite.test_settings import manage
from xrevsite.serving import lock

FILL = """
from django.contrib.auth.models import User
from dashboard.models import Instance, Node
User.objects.create_superuser("ada", password="correct horse battery")
node = Node.objects.create(name="edge")
Instance.objects.create(name="home", node=node, rest='{"log": {"loglevel": "info"}}')
"""
SHOW = """
from django.contrib.auth.models import User
from dashboard.models import Instance
print([user.username for user in User.objects.all()], [(one.name, one.rest) for one in Instance.objects.all()])
"""
SHOWN = """['ada'] [('home', '{"log": {"loglevel": "info"}}')]\n"""


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The VAR of one that has something in it; what a test changes is a copy."""
    var = tmp_path_factory.mktemp("panel") / "var"
    put_database(var)
    done = manage(var, "shell", "--no-imports", "-c", FILL)
    assert done.returncode == 0, done.stderr
    (var / "agent").mkdir()
    (var / "agent" / "identity.json").write_text('{"identity": "x"}')
    return var


@pytest.fixture(scope="module")
def backup(panel: Path) -> Path:
    file = panel.parent / "backup.tar.gz"
    done = manage(panel, "backup", str(file))
    assert done.returncode == 0, done.stderr
    assert "with its keys: keep it safe" in done.stdout
    return file


def shown(var: Path) -> str:
    done = manage(var, "shell", "--no-imports", "-c", SHOW)
    return done.stdout or done.stderr


def content(var: Path) -> str:
    with closing(sqlite3.connect(var / "xrev.sqlite3")) as database:
        found = database.execute("SELECT username FROM auth_user").fetchall(), database.execute(
            "SELECT name, rest FROM dashboard_instance").fetchall()
    return repr(found)


def test_a_panel_comes_back_in_another_folder_with_its_secrets(panel: Path, backup: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    done = manage(new, "restore", str(backup))
    assert done.returncode == 0, done.stderr
    assert shown(new) == SHOWN
    for name in ("secret_key", "encryption.key", "agent/identity.json"):
        assert (new / name).read_bytes() == (panel / name).read_bytes()
        assert stat.S_IMODE((new / name).stat().st_mode) == 0o600
    assert list(new.glob(".xrev-backup-*")) == []


def test_without_keys_there_are_none_in_it(panel: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    assert "without its keys" in manage(panel, "backup", "--without-keys", str(file)).stdout
    with tarfile.open(file) as archive:
        assert archive.getnames() == ["about.json", "database"]


def test_what_is_there_is_replaced_only_when_that_is_said_and_kept_beside(panel: Path, backup: Path, tmp_path: Path) -> None:
    var = tmp_path / "var"
    shutil.copytree(panel, var)
    manage(var, "shell", "--no-imports", "-c", "from dashboard.models import Instance; Instance.objects.all().delete()")
    changed = content(var)
    assert "home" not in changed
    done = manage(var, "restore", str(backup))
    assert done.returncode == 1
    assert "there is a database with content already: say --replace" in done.stderr
    assert content(var) == changed
    done = manage(var, "restore", "--replace", str(backup))
    assert done.returncode == 0, done.stderr
    assert content(var) == content(panel)
    assert (var / "xrev.sqlite3.before-restore").exists()


def test_what_a_killed_panel_left_in_the_log_is_kept_and_not_taken_for_the_backups(
        panel: Path, backup: Path, tmp_path: Path) -> None:
    running, var = tmp_path / "running", tmp_path / "var"
    shutil.copytree(panel, running)
    with closing(sqlite3.connect(running / "xrev.sqlite3", isolation_level=None)) as database:
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute("UPDATE auth_user SET username = 'last'")
        shutil.copytree(running, var)           # as it lies there when the panel is killed
    assert (var / "xrev.sqlite3-wal").stat().st_size
    done = manage(var, "restore", "--replace", str(backup))
    assert done.returncode == 0, done.stderr
    assert content(var) == content(panel)
    kept = tmp_path / "kept"
    kept.mkdir()
    shutil.copy(var / "xrev.sqlite3.before-restore", kept / "xrev.sqlite3")
    assert "last" in content(kept)


def test_not_while_the_panel_runs(panel: Path, backup: Path) -> None:
    held = lock.hold(panel / "serve", lock.RUNNING, is_shared=True)
    done = manage(panel, "restore", "--replace", str(backup))
    os.close(held)
    assert done.returncode == 1
    assert f"The panel runs on {panel}: stop it first." in done.stderr


def with_about(file: Path, about: bytes) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        entry = tarfile.TarInfo("about.json")
        entry.size = len(about)
        archive.addfile(entry, io.BytesIO(about))
    return file


@pytest.mark.parametrize(("about", "complaint"), [
    (b"{}", "is no backup of this program"),
    (b'{"format": 1, "database": "oracle", "made_at": "", "migrations": {}, "has_keys": true}',
     "the backup is of oracle, and DATABASE_URL is of"),
    (b'{"format": 1, "database": "KIND", "made_at": "", "migrations": {"dashboard": "9999_later"}, "has_keys": true}',
     "of a newer version of this program, which knows dashboard.9999_later"),
], ids=["not ours", "another database", "newer"])
def test_a_file_that_does_not_fit_is_refused_before_the_database_is_asked(tmp_path: Path, about: bytes, complaint: str) -> None:
    file = with_about(tmp_path / "backup.tar.gz", about.replace(b"KIND", connection.vendor.replace("sqlite", "sqlite3").encode()))
    with pytest.raises(BackupError, match=complaint):
        restore(file, replaces=True, say=print)


def test_a_file_with_nothing_in_it_changes_nothing(tmp_path: Path) -> None:
    about = b'{"format": 1, "database": "sqlite3", "made_at": "", "migrations": {}, "has_keys": true}'
    file = with_about(tmp_path / "backup.tar.gz", about)
    done = manage(tmp_path / "var", "restore", str(file))
    assert done.returncode == 1
    assert "the backup has no database" in done.stderr
    file.write_bytes(b"no archive")
    assert "cannot be read as a backup" in manage(tmp_path / "var", "restore", str(file)).stderr


def test_nothing_is_written_where_there_is_nothing(panel: Path, tmp_path: Path) -> None:
    done = manage(tmp_path / "var", "backup", str(tmp_path / "backup.tar.gz"))
    assert (done.returncode, (tmp_path / "backup.tar.gz").exists()) == (1, False)
    assert "the database is empty" in done.stderr
    done = manage(panel, "backup", str(tmp_path / "nowhere" / "backup.tar.gz"))
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr
