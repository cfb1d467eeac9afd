"""A new panel's database, made once: to migrate takes seconds, and tests of what comes after it need not wait for that."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.support.processes import ROOT

NAME = "xrev.sqlite3"
OWN_NAMES = (
    "DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL", "HTTPS", "XREV_LISTEN", "XREV_TLS_CERT", "XREV_TLS_KEY",
    "XREV_PROXIES", "DJANGO_SETTINGS_MODULE",
)  # fmt: skip
"""Settings of the tests that are none of a panel that runs by itself."""


def environment(var: Path, **more: str) -> dict[str, str]:
    """For a panel with its data in `var`."""
    return {**{name: value for name, value in os.environ.items() if name not in OWN_NAMES}, "XREV_VAR": str(var), **more}


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory(prefix="xrev-") as folder:
        var = Path(folder) / "var"
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=environment(var), check=True, timeout=120)
        return (var / NAME).read_bytes()


def put_database(var: Path) -> None:
    """Every table, and nothing in them but what migrations put there."""
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    (var / NAME).write_bytes(_migrated())
