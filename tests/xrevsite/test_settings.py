"""manage.py as a person runs it: its own process, a folder of its own for what it keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def manage(var: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    names = ("DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL", "HTTPS", "DJANGO_SETTINGS_MODULE")
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env={**inherited, "XREV_VAR": str(var), **environment}, capture_output=True, text=True, timeout=120,
        check=False,
    )


def test_check_is_clean_from_nothing(tmp_path: Path) -> None:
    done = manage(tmp_path / "var", "check", "--fail-level", "WARNING")
    assert done.stdout == "System check identified no issues (0 silenced).\n"
    assert done.returncode == 0
    assert (tmp_path / "var" / "secret_key").exists()


def test_check_for_deployment_is_clean_behind_https(tmp_path: Path) -> None:
    done = manage(tmp_path / "var", "check", "--deploy", "--fail-level", "WARNING", HTTPS="1")
    assert (done.stderr, done.returncode) == ("", 0)


def test_sqlite_is_in_wal_mode(tmp_path: Path) -> None:
    ask = "from django.db import connection as c; k = c.cursor(); k.execute('PRAGMA journal_mode'); print(k.fetchone()[0])"
    done = manage(tmp_path / "var", "shell", "--no-imports", "-c", ask)
    assert done.stdout == "wal\n"
    assert (tmp_path / "var" / "xrev.sqlite3").exists()


@pytest.mark.parametrize(("setting", "text"), [("DATABASE_URL", "sqlite:///{var}/other.sqlite3"), ("SECRET_KEY", "k" * 60)])
def test_the_environment_decides(tmp_path: Path, setting: str, text: str) -> None:
    ask = "from django.conf import settings as s; print(s.DATABASES['default']['NAME'], s.SECRET_KEY)"
    done = manage(tmp_path, "shell", "--no-imports", "-c", ask, **{setting: text.format(var=tmp_path)})
    assert text.format(var=tmp_path).removeprefix("sqlite:///") in done.stdout
