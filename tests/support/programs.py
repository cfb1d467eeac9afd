"""Our own programs as a person starts them."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = [sys.executable, "-m", "proxycore", "run"]


def eventually(is_so: Callable[[], bool], limit_s: float = 20) -> None:
    """Wait until `is_so`; the test fails if it never is."""
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, f"not so within {limit_s} s"
        time.sleep(0.02)


def is_listening(port: int) -> bool:
    """Asked without connecting, which would be one more connection for the program. (SO_REUSEADDR: what only waits for
    old packets does not count.)"""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


@contextmanager
def started(command: list[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, which is gone afterwards with all that it started."""
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
