"""A PostgreSQL server of its own for one command, gone with it.

    python -m tests.support.postgres COMMAND...

makes a cluster in a temporary folder, starts it on a Unix socket only, and runs COMMAND with DATABASE_URL leading to it.
As root it runs as the user `postgres`, or `nobody`, since PostgreSQL refuses root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

USER: Final = "xrev"
_FOLDERS: Final = "/usr/lib/postgresql/*/bin"           # where Debian keeps them, off the PATH
_OPTIONS: Final = "-c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=30"


class NoPostgres(Exception):
    """It is not installed."""


def find_bin() -> Path:
    """The folder of initdb and pg_ctl, the newest there is. Raises NoPostgres."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/").glob(_FOLDERS[1:]), key=lambda path: _number(path.parent.name))
    if not folders:
        raise NoPostgres("PostgreSQL (initdb, pg_ctl) is not installed")
    return folders[-1]


@contextmanager
def running_postgres() -> Iterator[str]:
    """DATABASE_URL of an empty database. Raises NoPostgres; RuntimeError with what it said."""
    binaries = find_bin()
    with tempfile.TemporaryDirectory(prefix="xrev-postgres-") as name:
        folder = Path(name)
        log = folder / "log"
        who = _unprivileged()
        if who:
            os.chown(folder, who["user"], who["group"])
        _run([binaries / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"], folder, who)
        control = [binaries / "pg_ctl", "-D", folder / "data", "-w"]
        _run([*control, "-l", log, "-o", f"-k {folder} {_OPTIONS}", "start"], folder, who, log)
        try:
            _run([binaries / "createdb", "-h", folder, "-U", USER, USER], folder, who)
            yield f"postgres:///{USER}?host={folder}&user={USER}"
        finally:
            _run([*control, "-m", "immediate", "stop"], folder, who, log)


def _run(command: list[Any], folder: Path, who: dict[str, Any], log: Path | None = None) -> None:
    # The server inherits what it is given to write to: a pipe of ours would never end.
    target = subprocess.DEVNULL if "pg_ctl" in str(command[0]) else subprocess.PIPE
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=target, stderr=target, text=True,
        check=False, **who)
    if done.returncode:
        said = log.read_text() if log is not None and log.exists() else done.stderr
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {said}")


def _unprivileged() -> dict[str, Any]:
    """Who to be instead of root, for subprocess."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise NoPostgres("there is no user that PostgreSQL could run as; it refuses root")


def _number(version: str) -> int:
    return int(version) if version.isdigit() else 0


def main(command: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))         # so that the server ends with it
    with running_postgres() as url:
        return subprocess.run(command, env={**os.environ, "DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NoPostgres as error:
        sys.exit(str(error))
