"""The embedded Valkey (or Redis), on a socket that only we can open: what processes of the panel tell each other, Celery's queue.

Nothing in it has to survive: what must arrive is a row in the database.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xrevsite import broker

MAX_MEMORY: Final = "256mb"
UNWANTED: Final = (b"Memory overcommit must be enabled", b"Received SIGTERM scheduling shutdown", b"is now ready to exit")
"""In lines of its log that help nobody here."""

LEFT_OVER_S: Final = 10.0
_ANSWER_S: Final = 1.0


class NotOurs(Exception):
    """The folder of the socket belongs to somebody else, or is open to them."""


def make_folder(path: Path) -> None:
    """For the socket: one that nobody else can enter; it may lie in a folder that everyone writes to. Raises: NotOurs."""
    folder = path.parent
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise NotOurs(f"{folder} must be a folder of this user's own with mode 0700")


def command(program: str, path: Path) -> Sequence[str]:
    options = {
        "port": "0",
        "unixsocket": os.fspath(path),
        "unixsocketperm": "700",
        "daemonize": "no",
        "dir": os.fspath(path.parent),
        "save": "300 1",                # a restart of the panel finds its queue again; a crash may lose minutes of it
        "appendonly": "no",
        "stop-writes-on-bgsave-error": "no",
        "maxmemory": MAX_MEMORY,
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [program, *(part for name, value in options.items() for part in (f"--{name}", value))]


def is_ready(path: Path) -> bool:
    """Whether it answers, and not only listens: it may still read what it saved."""
    return _say(path, b"PING\r\n").startswith(b"+PONG")


async def wait_for_end_of_old(path: Path) -> None:
    """A server that an earlier supervisor left: its end would take away the socket of a new one, so it is told to end first."""
    end = time.monotonic() + LEFT_OVER_S
    while time.monotonic() < end and await asyncio.to_thread(broker.is_answering, path):
        await asyncio.to_thread(_say, path, b"SHUTDOWN\r\n")
        await asyncio.sleep(0.05)


def _say(path: Path, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(_ANSWER_S)
        try:
            one.connect(os.fspath(path))
            one.sendall(line)
            return one.recv(256)
        except OSError:
            return b""
