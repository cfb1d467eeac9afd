"""Real processes on loopback: started with a document, watched through their log, ended by their id."""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
XREV = (sys.executable, str(ROOT / "manage.py"), "runproxy")
"""Our program; the document's path follows."""

LOCALHOST = "127.0.0.1"
END_S = 20.0
SHOWN_LOG_BYTES = 16_000

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

T = TypeVar("T")
FIRST_PORT, LAST_PORT = 10_000, 32_767
"""Below those that the kernel gives to clients, so that none of them has a port between its choice and its use."""


def _own_ports() -> Iterator[int]:
    """Round and round, from where chance says. Test processes that run beside this one have others."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = (LAST_PORT - FIRST_PORT + 1) // count
    first = FIRST_PORT + number * size
    for step in itertools.count(secrets.randbelow(size)):
        yield first + step % size


_ports = _own_ports()


def free_port() -> int:
    """A port of the loopback address that nobody has, for TCP and UDP, and that this run has not given out lately."""
    return next(port for port in _ports if is_free(port))


def is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind((LOCALHOST, port))
            except OSError:
                return False
    return True


def free_range(count: int) -> int:
    """The first of `count` free ports in a row."""
    row = [free_port()]
    while len(row) < count:
        port = free_port()
        row = [*row, port] if port == row[-1] + 1 else [port]
    return row[0]


def until(what: str, condition: Callable[[], T], timeout_s: float, pause_s: float = 0.02) -> T:
    """Ask `condition` until its answer is true; the answer. Fails with `what` did not happen."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"within {timeout_s:g} s: {what}"
        time.sleep(pause_s)


def seconds_until(what: str, condition: Callable[[], object], timeout_s: float) -> float:
    """How long it takes until `condition` is true."""
    begin = time.monotonic()
    until(what, condition, timeout_s)
    return time.monotonic() - begin


def quickest(measure: Callable[[], float], limit_s: float, tries: int = 3) -> float:
    """The seconds of the quickest of so many tries: a machine that does other things may be late once. Ends with the first below
    `limit_s`."""
    least_s = measure()
    for _ in range(tries - 1):
        if least_s < limit_s:
            break
        least_s = min(least_s, measure())
    return least_s


def accepts(port: int) -> bool:
    """Whether somebody listens on `port`."""
    try:
        socket.create_connection((LOCALHOST, port), 1).close()
    except OSError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether this process runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):         # the latter: it went between the opening and the reading
        return False


def _end_with_parent() -> None:
    """In the child: no program outlives a test run that was killed."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One program. Its output goes to a file, which a failing test shows."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environ: dict[str, str] | None = None) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        with self.log_path.open("ab") as log:
            self._popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=environ, start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    @property
    def rss_bytes(self) -> int:
        """Resident memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name} has ended")

    def await_port(self, port: int, timeout_s: float = 30.0) -> None:
        """Return when it listens on `port`."""

        def listens() -> bool:
            assert self.exit_code is None, f"{self.name} ended with {self.exit_code}:\n{self.log[-SHOWN_LOG_BYTES:]}"
            return accepts(port)

        until(f"{self.name} listens on {port}", listens, timeout_s)

    def send_signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Its exit code, once it has ended."""
        return self._popen.wait(timeout_s)

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait(END_S)

    def end(self) -> None:
        """SIGTERM twice (the second forgoes draining); SIGKILL if that does not help."""
        for _ in range(2):
            if self.exit_code is None:
                self._popen.terminate()
                try:
                    self._popen.wait(0.3)
                except subprocess.TimeoutExpired:
                    continue
        if self.exit_code is None:
            try:
                self._popen.wait(END_S)
            except subprocess.TimeoutExpired:
                self.kill()


class Processes:
    """Starts programs in `folder` and ends all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Process] = []

    def start(self, name: str, command: Sequence[str], environ: dict[str, str] | None = None) -> Process:
        process = Process(name, command, self.folder, environ)
        self.started.append(process)
        return process

    def run_document(self, name: str, program: Sequence[str], document: dict[str, Any]) -> Process:
        """Write `document` into a file and run `program` on it."""
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(document, indent=2))
        return self.start(name, [*program, str(path)])

    def end_all(self) -> None:
        for process in reversed(self.started):
            process.end()

    def logs(self) -> list[tuple[str, str]]:
        """Name and the end of the log of each program."""
        by_path = {process.log_path: process.name for process in self.started}
        return [(name, path.read_text(errors="replace")[-SHOWN_LOG_BYTES:]) for path, name in by_path.items() if path.exists()]
