"""A whole panel as `manage.py serve` runs it, in a folder of its own with a database that is ready, and its parts by name."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery
from django.conf import settings
from kombu import pools

from tests.support.database import environment, put_database
from tests.support.processes import ROOT, Process, free_port, until
from xrevsite import broker

START_S = 60.0
READY = {"ready": True, "database": "ok", "migrations": "ok", "broker": "ok"}


@contextmanager
def short_folder() -> Iterator[Path]:
    """Names of sockets have a limit that pytest's folders come close to."""
    with tempfile.TemporaryDirectory(prefix="xrev-") as folder:
        yield Path(folder)


class Served:
    """One `manage.py serve`. `start` again after `kill`, with the same folder and port."""

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        self.folder = folder
        self.var = folder / "var"
        self.port = free_port()
        self._arguments = arguments
        self._environ = environ
        self.process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def demo_port(self) -> int:
        return int(self._arguments[self._arguments.index("--demo-port") + 1])

    @property
    def log(self) -> str:
        return (self.folder / "serve.log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Until it says that it is up."""
        before = len(self.log) if self.process is not None else 0
        if self.process is not None:
            self.process.wait(5)        # it was killed
        command = [sys.executable, "manage.py", "serve", "--listen", f"127.0.0.1:{self.port}", *self._arguments]
        self.process = Process("serve", command, self.folder, environment(self.var, **self._environ))
        until("serve says that it is up", lambda: self._is_up(before), START_S)

    def _is_up(self, before: int) -> bool:
        assert self.process is not None
        assert self.process.exit_code is None, self.log
        return re.search(r"^(Make the first account|The panel:|Running:)", self.log[before:], re.MULTILINE) is not None

    def end(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            until("serve ends", lambda: self.process is not None and self.process.exit_code is not None, 40)

    def part(self, name: str) -> int:
        """The process that runs this part now."""
        return int(re.findall(rf"{name} runs as process (\d+)", self.log)[-1])

    def kill_part(self, name: str) -> int:
        """SIGKILL, and until another runs; its process."""
        old = self.part(name)
        os.kill(old, signal.SIGKILL)
        return until(f"{name} runs again", lambda: self.part(name) if self.part(name) != old else 0, 15)

    def ready(self) -> dict[str, Any]:
        """What /healthz/ready says; empty where nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz/ready", timeout=5) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return dict(json.loads(error.read()))
        except (OSError, ValueError):
            return {}

    def readiness(self) -> dict[str, Any]:
        """The same of a panel that runs: a busy machine may take longer for it than one question waits."""
        return until("/healthz/ready answers", self.ready, START_S)

    def manage(self, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment(self.var, **self._environ), input=given,
            capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        return self.manage("shell", "--no-imports", "-c", code)


def celery_answers(panel: Served) -> bool:
    """Asked over the panel's own Redis."""
    url = broker.celery_url(broker.url_of(broker.socket_path(panel.var)))
    with Celery("asking", broker=url, set_as_current=False) as app:
        app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
        try:
            return bool(app.control.inspect(timeout=5, limit=1).ping())
        finally:
            pools.reset()           # kombu keeps connections by their URL, also to a server that has ended


@contextmanager
def served(*arguments: str, **environ: str) -> Iterator[Served]:
    """A panel that runs; nothing of it is left afterwards."""
    with short_folder() as folder:
        panel = Served(folder, *arguments, **environ)
        if "DATABASE_URL" not in environ:
            put_database(panel.var)
        try:
            panel.start()
            yield panel
        finally:
            print(panel.log[-12_000:])      # noqa: T201 - shown when a test fails
            panel.end()
