"""Which parts there are, in the order in which they start, and how each is run."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from xrevsite.serving import valkey
from xrevsite.serving.keeper import Part
from xrevsite.serving.listening import Tls

VALKEY: Final = "valkey"
WEB: Final = "web"
CELERY: Final = "celery"
BEAT: Final = "beat"
AGENT: Final = "agent"
ALL: Final = (VALKEY, WEB, CELERY, BEAT, AGENT)
ONCE: Final = (VALKEY, BEAT, AGENT)
"""Those of which one VAR can have one only."""

LIVE_PATH: Final = "/healthz/live"
_ANSWER_S: Final = 5.0


class UnknownPart(Exception):
    """`name` is no part."""


def choose(only: Sequence[str], without: Sequence[str]) -> tuple[str, ...]:
    """Raises: UnknownPart."""
    named = [name for text in (*only, *without) for name in text.split(",")]
    for name in named:
        if name not in ALL:
            raise UnknownPart(f"{name} is no part; there are {', '.join(ALL)}")
    wanted = [name for text in only for name in text.split(",")] or list(ALL)
    unwanted = [name for text in without for name in text.split(",")]
    return tuple(name for name in ALL if name in wanted and name not in unwanted)


def valkey_part(program: str, path: Path) -> Part:
    return Part(
        VALKEY, valkey.command(program, path), before=partial(valkey.wait_for_end_of_old, path),
        is_ready=partial(valkey.is_ready, path), stop_s=5.0, unwanted=valkey.UNWANTED, has_secrets=False)


def web_part(plain: Sequence[int], with_tls: Sequence[int], tls: Tls | None, url: str, environment: dict[str, str]) -> Part:
    """`url`: an address without TLS at which this host reaches it."""
    command = [sys.executable, "-m", "xrevsite.serving.web", *(f"--plain={fd}" for fd in plain)]
    if tls is not None:
        command += [*(f"--tls={fd}" for fd in with_tls), f"--certificate={tls.certificate}", f"--key={tls.key}"]
    return Part(WEB, command, environment, (*plain, *with_tls), is_ready=partial(is_web_live, url), stop_s=5.0)


def celery_part(environment: dict[str, str], threads: int) -> Part:
    command = [
        sys.executable, "-m", "celery", "--quiet", "--app", "xrevsite.celery:app", "worker", "--pool", "threads",
        "--concurrency", str(threads), "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    # That root runs it is for whoever started `serve` to know.
    quiet = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
    return Part(CELERY, command, environment | quiet, unwanted=(b"worker: Warm shutdown",))


def is_web_live(url: str) -> bool:
    """Whether the web server answers in time."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_ANSWER_S)
    try:
        connection.request("GET", LIVE_PATH)
        answer = connection.getresponse()
        answer.read()
        return answer.status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
