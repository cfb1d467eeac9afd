"""The agent's folder: nobody but its owner reads it, one agent at a time has it, its files are written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from proxycore.errors import ConfigError

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
MAX_SOCKET_PATH_BYTES: Final = 100
"""The shortest that a system allows for a Unix socket's path is 104 (macOS)."""

TRIED_BYTES: Final = 4096
"""More than an identity takes."""

LONGEST_SOCKET_NAME: Final = "1234567890.sock"


class Identity(BaseModel):
    """What the panel gave this node when it joined, and where it is."""

    model_config = ConfigDict(extra="ignore")

    identity: str
    node: int
    name: str
    panel: str
    fingerprint: str = ""


def default_folder(environ: dict[str, str]) -> Path:
    """Where the agent keeps what it keeps, by the XDG specification."""
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "xrev-agent"


class StateDir:
    """The folder, made if it is not there. Held from `open` to `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.documents = path / "documents"
        self.run = path / "run"
        self.spool = path / "traffic.sqlite3"
        self._identity = path / "identity.json"
        self._paused = path / "paused"
        self._lock = -1

    def open(self) -> None:
        """Raises: ConfigError, it cannot be used, or another agent does."""
        if len(os.fsencode(self.run / LONGEST_SOCKET_NAME)) > MAX_SOCKET_PATH_BYTES:
            raise ConfigError("--state-dir", f"{self.path} is too long for the sockets in it: choose a shorter one")
        try:
            for folder in (self.path, self.documents, self.run):
                folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
                if folder.stat().st_mode & stat.S_ISVTX:
                    raise ConfigError("--state-dir", f"{folder} is everybody's: the agent needs a folder of its own")
                os.chmod(folder, FOLDER_MODE)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise ConfigError("--state-dir", f"{error.filename or self.path} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip()
            self.close()
            raise ConfigError("--state-dir", f"another agent ({holder}) has {self.path}") from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"pid {os.getpid()}".encode(), 0)

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def try_out(self) -> None:
        """Raises: ConfigError, nothing can be written here (the disk is full, say): a join token would be used up in vain."""
        path = self.path / "tried"
        try:
            write_whole(path, bytes(TRIED_BYTES))
            path.unlink()
        except OSError as error:
            raise ConfigError("--state-dir", f"{self.path} cannot be written to: {error.strerror}") from None

    def read_identity(self) -> Identity | None:
        """None where the node has not joined. Raises: ConfigError, the file is not readable as one."""
        try:
            return Identity.model_validate_json(self._identity.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not what an agent wrote"
            raise ConfigError("", f"{self._identity}: {reason}. Remove it to join anew") from None

    def write_identity(self, identity: Identity) -> None:
        write_whole(self._identity, identity.model_dump_json(indent=2).encode())

    @property
    def is_paused(self) -> bool:
        """Whether the panel paused the node: then nothing is started before it says otherwise."""
        return self._paused.exists()

    @is_paused.setter
    def is_paused(self, value: bool) -> None:
        if value:
            write_whole(self._paused, b"")
        else:
            self._paused.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove identity, documents and figures: the node was revoked."""
        for path in (self._identity, self._paused):
            path.unlink(missing_ok=True)
        for path in self.path.glob(self.spool.name + "*"):
            path.unlink(missing_ok=True)
        for folder in (self.documents, self.run):
            shutil.rmtree(folder, ignore_errors=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a private file so that after a crash it is the old or the new one. Raises: OSError."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
