"""The socket on which a worker is spoken to: the newest connection is the agent's, the one before is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError

from proxycore.errors import LimitError
from proxycore.messages.framing import FrameReader, encode
from proxycore.messages.worker import ToWorker, to_worker

BACKLOG: Final = 8
FULL_BYTES: Final = 1024 * 1024
"""What may wait for a slow agent before it is told only what it asks for."""

MAX_WAITING_BYTES: Final = 128 * 1024 * 1024
"""An agent that asks and does not read is no agent any more."""

_log = logging.getLogger("xrev.worker")


class Servant(Protocol):
    """What the agent speaks to."""

    def connected(self, agent: AgentConnection) -> None:
        """A new agent."""

    def said(self, message: ToWorker, agent: AgentConnection) -> None: ...

    def lost(self, agent: AgentConnection) -> None:
        """The connection is over."""

    def drained(self) -> None:
        """There is room again."""


class AgentConnection(asyncio.Protocol):
    """One connection, cut into messages."""

    def __init__(self, servant: Servant) -> None:
        self._servant = servant
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self.is_full = False
        self.is_closed = False

    def send(self, message: BaseModel) -> None:
        """What is sent to an agent that is gone is lost."""
        self.send_frame(encode(message))

    def send_frame(self, frame: bytes) -> None:
        """The same of a message that is encoded already."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(frame)
        if transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            _log.error("the agent does not read: its connection is closed")
            transport.abort()

    def close(self) -> None:
        """After what was sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]     # uvloop's are no asyncio.Transport
        self._transport.set_write_buffer_limits(high=FULL_BYTES)  # type: ignore[union-attr]
        self._servant.connected(self)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except LimitError as error:
            _log.error("the agent's message cannot be read: %s", error)
            self.abort()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self._servant.drained()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.is_closed = True
        self._servant.lost(self)

    def _take(self, frame: bytes) -> None:
        try:
            message = to_worker.validate_json(frame)
        except ValidationError as error:
            found: Any = error.errors(include_input=False, include_url=False)
            if found[0]["type"] != "union_tag_invalid":         # else it is of a newer agent: answered by nothing
                _log.error("the agent's message cannot be read: %s", found[:3])
            return
        self._servant.said(message, self)


def bind(path: str) -> socket.socket:
    """A socket at `path` that only its owner can connect to. What nobody listens on any more is replaced.

    Raises: OSError, also where others may reach into its folder.
    """
    folder = os.path.dirname(path) or "."
    if os.stat(folder).st_mode & 0o077:
        raise PermissionError(f"others may reach into {folder}: it has to be its owner's alone (mode 0700)")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    mask = os.umask(0o177)
    try:
        try:
            sock.bind(path)
        except OSError:
            _remove_stale(path)
            sock.bind(path)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(mask)
    return sock


def mark_of(path: str) -> tuple[int, int]:
    """What tells the socket's file from a later one at its place. Raises: OSError."""
    found = os.lstat(path)
    return found.st_ino, found.st_ctime_ns


def unbind(path: str, mark: tuple[int, int]) -> None:
    """Remove the socket's file, unless another worker's is there by now. May be called twice."""
    with contextlib.suppress(OSError):
        if mark_of(path) == mark:
            os.unlink(path)


def _remove_stale(path: str) -> None:
    """Raises: OSError, there is something else, or somebody listens."""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise FileExistsError(f"{path} is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise FileExistsError(f"another worker listens on {path}")
