"""Celery's beat: the clock that asks for what `dashboard/schedule.py` lists. A thread, since a process would cost 110 MB."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any, Final

from xrevsite import broker

PAUSE_S: Final = 5.0

_log = logging.getLogger("xrevsite.serving")


class Beat:
    """Begins with `start`. What it asked for, and when, is kept in `state`: a restart puts no daily task off."""

    def __init__(self, broker_url: str, state: Path) -> None:
        self._broker_url = broker_url
        self._state = state
        self._stopping = threading.Event()
        self._service: Any = None
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Waits a second or two."""
        self._stopping.set()
        if self._service is not None:
            self._service.stop()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        """Its end is its restart, whatever it was: nothing else would do what has its time."""
        from celery.beat import Service

        from xrevsite.celery import app

        app.set_current()
        app.conf.broker_url = self._broker_url
        app.conf.task_always_eager = self._broker_url == broker.NONE       # then the tasks run here, in this thread
        while not self._stopping.is_set():
            try:
                self._service = Service(app, max_interval=1, schedule_filename=str(self._state), remote_control=False)
                self._service.start()
            except Exception:  # noqa: BLE001 - whatever it was, the next one may do better
                _log.exception("beat ended and is started again")
                self._stopping.wait(PAUSE_S)
