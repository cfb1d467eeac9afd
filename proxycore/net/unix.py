"""Unix sockets: their names as documents write them, listening on them, and the lock that keeps two programs apart.

Source: Xray-core transport/internet/system_listener.go, filelocker_other.go.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from proxycore.errors import ConfigError

BACKLOG = 4096
ABSTRACT = "@"
PADDED = "@@"
NAME_BYTES = 108                # sun_path of <linux/un.h>, with the byte that begins an abstract name or ends a file's
MAX_MODE = 0o7777
_LOCK_TRIES = 16                # a lock's file can go away between opening and locking it; then it is made again


class UnixAddress(NamedTuple):
    """`name` is the absolute path of a file, or abstract: `@name`, and `@@name` padded with zeros. `mode`: of the file."""

    name: str
    mode: int | None = None

    def __str__(self) -> str:
        return self.name


def is_unix(text: str) -> bool:
    """Whether an address is written as one of a unix socket."""
    return text.startswith(("/", ABSTRACT))


def parse_unix(text: str) -> UnixAddress:
    """Read `/path`, `/path,0666`, `@name` or `@@name`. Raises ValueError with one sentence."""
    name, comma, mode_text = text.partition(",") if text.startswith("/") else (text, "", "")
    mode = None
    if comma:
        try:
            mode = int(mode_text, 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= MAX_MODE or not mode_text.isalnum():
            raise ValueError(f'"{mode_text[:40]}" is no mode of a file; an octal number such as 0660 is expected after the comma')
    return UnixAddress(parse_unix_name(name), mode)


def parse_unix_name(name: str) -> str:
    """`name` as it is, if a unix socket can be called so. Raises ValueError with one sentence."""
    size = len(name.encode(errors="surrogatepass"))
    if not is_unix(name) or not name.lstrip(ABSTRACT) or "\0" in name or name.endswith("/"):
        raise ValueError(f'"{name[:40]}" names no unix socket')
    if size >= NAME_BYTES:
        raise ValueError(f"the name of a unix socket has at most {NAME_BYTES - 1} bytes; this has {size}")
    return name


def system_name(name: str) -> str | bytes:
    """`name` as `bind` and `connect` take it."""
    if name.startswith(PADDED):
        return b"\0" + name[2:].encode().ljust(NAME_BYTES - 1, b"\0")
    if name.startswith(ABSTRACT):
        return b"\0" + name[1:].encode()
    return name


def bind_unix(address: UnixAddress, path: str) -> tuple[socket.socket, Callable[[], None]]:
    """A listening, non-blocking socket, and what cleans up after it has been closed.

    A file is held by a lock on `<file>.lock`, as in the cores; a socket's file that nobody listens on any more is replaced.

    Raises: ConfigError at `path`.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    lock: _Lock | None = None
    try:
        sock.setblocking(False)
        if not address.name.startswith(ABSTRACT):
            lock = _Lock(f"{address.name}.lock")
            _remove_stale(address.name)
        sock.bind(system_name(address.name))
        if address.mode is not None:
            os.chmod(address.name, address.mode)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if lock is not None:
            lock.release()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(path, f"{address.name} is already taken by another program") from None
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno == errno.ENOTSOCK:
            reason = "there is a file of that name, which is no socket"
        raise ConfigError(path, f"cannot listen on {address.name}: {reason}") from None
    if lock is None:
        return sock, _nothing
    made = os.stat(address.name)

    def clean_up() -> None:
        with contextlib.suppress(OSError):
            now = os.stat(address.name)
            if (now.st_dev, now.st_ino) == (made.st_dev, made.st_ino):      # not one that somebody has put there since
                os.unlink(address.name)
        lock.release()

    return sock, clean_up


def _nothing() -> None:
    """An abstract name goes away with its socket."""


def _remove_stale(name: str) -> None:
    """Remove a socket's file that a program left behind. Raises OSError, also where somebody listens on it."""
    file = Path(name)
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.ENOTSOCK, "no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        code = probe.connect_ex(name)
    if code != errno.ECONNREFUSED:
        raise OSError(errno.EADDRINUSE, "in use")
    file.unlink()


class _Lock:
    """A file that is locked for as long as this is held, and removed then."""

    __slots__ = ("_fd", "_name")

    def __init__(self, name: str) -> None:
        """Raises OSError; EADDRINUSE where another program holds it."""
        self._name = name
        self._fd = -1
        for _ in range(_LOCK_TRIES):
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                break
            except OSError:
                os.close(fd)
                raise
            if _is_still(fd, name):
                self._fd = fd
                return
            os.close(fd)        # who held it has removed the file
        raise OSError(errno.EADDRINUSE, "locked")

    def release(self) -> None:
        """May be called twice."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self._name)
            os.close(self._fd)
            self._fd = -1


def _is_still(fd: int, name: str) -> bool:
    mine = os.fstat(fd)
    try:
        there = os.stat(name)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
