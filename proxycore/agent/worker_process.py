"""A worker as a process: started in a session of its own, or found again; its end is noticed, its last words are kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from proxycore.agent.log_ring import MAX_LINE_CHARS
from proxycore.agent.state_dir import FILE_MODE

_log = logging.getLogger("xrev.agent.worker")

COMMAND: Final = (sys.executable, "-P", "-m", "proxycore", "worker")
SOCKET_ARGUMENT: Final = "--socket"
LAST_WORDS: Final = 20
"""Lines of output that are kept for when it dies."""

READ_BYTES: Final = 32 * 1024
READ_EVERY_S: Final = 0.1
"""What is printed faster than this is dropped by who prints it: an access log on the console must not keep us busy."""

PIPE_READS: Final = 8               # more than a pipe holds
POLL_S: Final = 0.5
"""Where the system cannot tell of a process's end."""

_ROOT: Final = str(Path(__file__).resolve().parents[2])
_PEER_CREDENTIALS: Final = struct.Struct("=iII")
_SOL_LOCAL: Final = 0
_LOCAL_PEERPID: Final = 2       # macOS, sys/un.h


class WorkerProcess:
    """`ended` is set when it has; `on_output` is called with whole lines of its standard output and error."""

    def __init__(
        self, pid: int, child: subprocess.Popen[bytes] | None, output: Path, on_output: Callable[[list[str]], None]
    ) -> None:
        self.pid = pid
        self.last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._child = child
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self.ended = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._pidfd = -1
        self._output = -1
        with contextlib.suppress(OSError):      # a worker that was found may have none
            self._output = os.open(output, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._loop.add_reader(self._output, self._on_readable)
        self._watch()

    @classmethod
    def start(
        cls, socket_path: Path, output: Path, on_output: Callable[[list[str]], None],
        *, command: Sequence[str] = COMMAND, memory_bytes: int = 0, descriptors: int = 0,
    ) -> WorkerProcess:
        """Raises: OSError.

        Its output is a named pipe, so that the next agent can read on: to a plain one whose reader is gone it could never
        write again.
        """
        for path in (socket_path, output):
            path.unlink(missing_ok=True)
        os.mkfifo(output, FILE_MODE)
        reader = os.open(output, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            writer = os.open(output, os.O_WRONLY | os.O_CLOEXEC)
            try:
                child = _spawn([*command, SOCKET_ARGUMENT, str(socket_path)], writer, memory_bytes, descriptors)
            finally:
                os.close(writer)
            return cls(child.pid, child, output, on_output)
        finally:
            os.close(reader)

    def signal(self, number: int) -> None:
        """To it, and to what it started. Nothing happens where it has ended."""
        if self.ended.is_set():
            return
        with contextlib.suppress(ProcessLookupError):
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, 0)        # nobody else has its number now
            session = os.getsid(self.pid)
            if session == os.getpgid(self.pid) != os.getpgid(0):
                os.killpg(session, number)
            else:
                os.kill(self.pid, number)

    def has(self, pid: int) -> bool:
        """Whether `pid` is it, or was started by it: its command may be wrapped by another one."""
        try:
            return pid == self.pid or os.getsid(pid) == self.pid
        except OSError:
            return False

    @property
    def exit_code(self) -> int | None:
        """Negative: the signal that ended it. None: it runs, or another agent had started it."""
        return None if self._child is None else self._child.poll()

    @property
    def how_it_ended(self) -> str:
        """In words, with the last of what it said."""
        code = self.exit_code
        if code is None:
            text = "it ended; how is not known, since an agent before this one had started it"
        elif code >= 0:
            text = f"it ended with exit code {code}"
        else:
            with contextlib.suppress(ValueError):
                return self._with_last_words(f"it was ended by {signal.Signals(-code).name}")
            text = f"it was ended by signal {-code}"
        return self._with_last_words(text)

    def close(self) -> None:
        """Look at it no longer; it goes on."""
        for timer in (self._timer, self._reading):
            if timer is not None:
                timer.cancel()
        self._timer = self._reading = None
        for descriptor in (self._pidfd, self._output):
            if descriptor >= 0:
                self._loop.remove_reader(descriptor)
                os.close(descriptor)
        self._pidfd = self._output = -1
        if self._child is not None and self._child.returncode is None:
            self._child.returncode = 0          # else Popen warns that it is still running, which is meant

    def _with_last_words(self, text: str) -> str:
        return f"{text}: {self.last_words[-1]}" if self.last_words else text

    def _watch(self) -> None:
        if hasattr(os, "pidfd_open"):
            try:
                self._pidfd = os.pidfd_open(self.pid)
            except ProcessLookupError:
                self._loop.call_soon(self._exited)
            except OSError as error:
                _log.info("no descriptor for process %d: %s", self.pid, error)
            else:
                self._loop.add_reader(self._pidfd, self._exited)
                return
        self._timer = self._loop.call_later(POLL_S, self._poll)

    def _poll(self) -> None:
        if self._child is not None:
            is_alive = self._child.poll() is None
        else:
            try:
                os.kill(self.pid, 0)
                is_alive = True
            except OSError:
                is_alive = False
        if is_alive:
            self._timer = self._loop.call_later(POLL_S, self._poll)
        else:
            self._exited()

    def _exited(self) -> None:
        if self.ended.is_set():
            return
        if self._child is not None:
            self._child.wait()                  # it has ended, so this does not wait
        if self._output >= 0:
            self._loop.remove_reader(self._output)
            self._read_rest()
        if self._rest:
            self._lines([self._rest])
            self._rest = b""
        self.close()
        self.ended.set()

    def _on_readable(self) -> None:
        self._loop.remove_reader(self._output)
        if self._read_once():
            self._reading = self._loop.call_later(READ_EVERY_S, self._loop.add_reader, self._output, self._on_readable)

    def _read_once(self) -> bool:
        """Whether there may be more later."""
        try:
            data = os.read(self._output, READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:                            # nobody has it open for writing any more
            os.close(self._output)
            self._output = -1
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_CHARS:
            lines.append(self._rest)
            self._rest = b""
        self._lines(lines)
        return True

    def _read_rest(self) -> None:
        for _ in range(PIPE_READS):
            if self._output < 0 or not self._read_once():
                return

    def _lines(self, lines: list[bytes]) -> None:
        texts = [text for line in lines if (text := line[:MAX_LINE_CHARS].decode("utf-8", "replace").rstrip())]
        self.last_words.extend(texts)
        if texts:
            self._on_output(texts)


def peer_pid(sock: socket.socket) -> int:
    """The process at the other end of a Unix socket, 0 where the system does not say."""
    try:
        if hasattr(socket, "SO_PEERCRED"):
            packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
            return int(_PEER_CREDENTIALS.unpack(packed)[0])
        if sys.platform == "darwin":
            return sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)
    except OSError:
        pass
    return 0


def _spawn(command: list[str], output: int, memory_bytes: int, descriptors: int) -> subprocess.Popen[bytes]:
    limits = []
    if memory_bytes:
        # What it may write and nobody else sees. The address space (RLIMIT_AS) would count what threads and files only reserve.
        limits.append((resource.RLIMIT_DATA, (memory_bytes, memory_bytes)))
    if descriptors:
        limits.append((resource.RLIMIT_NOFILE, (descriptors, descriptors)))
    environ = dict(os.environ)
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_ROOT, environ.get("PYTHONPATH", ""))))
    # A session of its own: no signal of the agent's terminal or service reaches it, and it outlives a killed agent.
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ, start_new_session=True, close_fds=True,
    )
    for which, limit in limits:
        _limit(child.pid, which, limit)
    return child


def _limit(pid: int, which: int, limit: tuple[int, int]) -> None:
    """Before it has read its document; on a system that cannot do that from outside there is no limit."""
    prlimit = getattr(resource, "prlimit", None)
    if prlimit is None:
        _log.warning("this system has no limits for another process: the worker runs without")
        return
    try:
        _, hard = prlimit(pid, which)
        wanted = limit if hard == resource.RLIM_INFINITY else (min(limit[0], hard), min(limit[1], hard))
        prlimit(pid, which, wanted)
    except (OSError, ValueError) as error:
        _log.warning("a limit of the worker could not be set: %s", error)
