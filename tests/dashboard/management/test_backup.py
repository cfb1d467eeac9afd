"""`backup` and `restore` as a person runs them, on SQLite; tests/xrevsite/serving/test_postgres.py has the other database."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

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


def filled(var: Path) -> None:
    assert manage(var, "migrate", "--verbosity", "0").returncode == 0
    done = manage(var, "shell", "--no-imports", "-c", FILL)
    assert done.returncode == 0, done.stderr


def shown(var: Path) -> str:
    done = manage(var, "shell", "--no-imports", "-c", SHOW)
    return done.stdout or done.stderr


def test_a_panel_comes_back_in_another_folder_with_its_secrets(tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "backup.tar.gz"
    filled(old)
    (old / "agent").mkdir()
    (old / "agent" / "identity.json").write_text('{"identity": "x"}')
    done = manage(old, "backup", str(file))
    assert done.returncode == 0, done.stderr
    assert "with its keys: keep it safe" in done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = manage(new, "restore", str(file))
    assert done.returncode == 0, done.stderr
    assert shown(new) == SHOWN
    for name in ("secret_key", "encryption.key", "agent/identity.json"):
        assert (new / name).read_bytes() == (old / name).read_bytes()
        assert stat.S_IMODE((new / name).stat().st_mode) == 0o600
    assert list(new.glob(".xrev-backup-*")) == []


def test_without_keys_there_are_none_in_it(tmp_path: Path) -> None:
    filled(tmp_path / "var")
    file = tmp_path / "backup.tar.gz"
    assert "without its keys" in manage(tmp_path / "var", "backup", "--without-keys", str(file)).stdout
    with tarfile.open(file) as archive:
        assert archive.getnames() == ["about.json", "database"]


def test_what_is_there_is_replaced_only_when_that_is_said_and_kept_beside(tmp_path: Path) -> None:
    var, file = tmp_path / "var", tmp_path / "backup.tar.gz"
    filled(var)
    manage(var, "backup", str(file))
    manage(var, "shell", "--no-imports", "-c", "from dashboard.models import Instance; Instance.objects.all().delete()")
    done = manage(var, "restore", str(file))
    assert done.returncode == 1
    assert "there is a database with content already: say --replace" in done.stderr
    assert "home" not in shown(var)
    done = manage(var, "restore", "--replace", str(file))
    assert done.returncode == 0, done.stderr
    assert shown(var) == SHOWN
    assert (var / "xrev.sqlite3.before-restore").exists()


def test_not_while_the_panel_runs(tmp_path: Path) -> None:
    filled(tmp_path)
    manage(tmp_path, "backup", str(tmp_path / "backup.tar.gz"))
    held = lock.hold(tmp_path / "serve", lock.RUNNING, is_shared=True)
    done = manage(tmp_path, "restore", "--replace", str(tmp_path / "backup.tar.gz"))
    os.close(held)
    assert done.returncode == 1
    assert f"The panel runs on {tmp_path}: stop it first." in done.stderr


@pytest.mark.parametrize(("about", "complaint"), [
    (b"{}", "is no backup of this program"),
    (b'{"format": 1, "database": "postgresql", "made_at": "", "migrations": {}, "has_keys": true}',
     "the backup is of postgresql, and DATABASE_URL is of sqlite3"),
    (b'{"format": 1, "database": "sqlite3", "made_at": "", "migrations": {"dashboard": "9999_later"}, "has_keys": true}',
     "of a newer version of this program, which knows dashboard.9999_later"),
    (b'{"format": 1, "database": "sqlite3", "made_at": "", "migrations": {}, "has_keys": true}', "the backup has no database"),
])
def test_a_file_that_does_not_fit_changes_nothing(tmp_path: Path, about: bytes, complaint: str) -> None:
    file = tmp_path / "backup.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        entry = tarfile.TarInfo("about.json")
        entry.size = len(about)
        archive.addfile(entry, io.BytesIO(about))
    done = manage(tmp_path / "var", "restore", str(file))
    assert done.returncode == 1
    assert complaint in done.stderr
    file.write_bytes(b"no archive")
    assert "cannot be read as a backup" in manage(tmp_path / "var", "restore", str(file)).stderr


def test_nothing_is_written_where_there_is_nothing(tmp_path: Path) -> None:
    done = manage(tmp_path / "var", "backup", str(tmp_path / "backup.tar.gz"))
    assert (done.returncode, (tmp_path / "backup.tar.gz").exists()) == (1, False)
    assert "the database is empty" in done.stderr
    done = manage(tmp_path / "var", "backup", str(tmp_path / "nowhere" / "backup.tar.gz"))
    assert done.returncode == 1
