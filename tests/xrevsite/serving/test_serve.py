"""A whole panel: every part killed in turn, `serve` itself as well, and what is said when it cannot run."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.panel import Served, environment, served, short_folder
from tests.support.processes import ROOT, accepts, free_port, until

READY = {"ready": True, "database": "ok", "migrations": "ok", "broker": "ok"}
WELL_AGAIN_S = 10.0
COUNT = "from dashboard.models import Node; print(Node.objects.count())"
RUN_TASK = """
from xrevsite.celery import app
print(app.control.inspect(timeout=2).ping())
"""

pytestmark = pytest.mark.timeout(180)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def celery_answers(panel: Served) -> bool:
    return "pong" in panel.python(RUN_TASK)


def test_every_part_that_is_killed_is_there_again_and_the_end_leaves_nothing() -> None:
    with served("--without", "agent") as panel:
        assert panel.ready() == READY
        until("Celery answers", lambda: celery_answers(panel), 20)
        for name in ("valkey", "web", "celery"):
            begin = time.monotonic()
            panel.kill_part(name)
            until(f"ready after {name} was killed", lambda: panel.ready() == READY, WELL_AGAIN_S)
            until(f"Celery answers after {name} was killed", lambda: celery_answers(panel), 20)
            print(f"{name}: well again after {time.monotonic() - begin:.1f} s")     # noqa: T201 - a figure worth seeing
        pids = [panel.part(name) for name in ("valkey", "web", "celery")]
        begin = time.monotonic()
        panel.end()
        assert panel.process is not None
        assert panel.process.exit_code == 0
        assert time.monotonic() - begin < 10
        assert not any(is_alive(pid) for pid in pids)
        assert not accepts(panel.port)


def test_serve_that_is_killed_takes_its_parts_along_and_starts_again() -> None:
    with served("--without", "agent") as panel:
        pids = [panel.part(name) for name in ("valkey", "web", "celery")]
        os.kill(panel.pid, signal.SIGKILL)
        until("its parts end", lambda: not any(is_alive(pid) for pid in pids), 5)
        begin = time.monotonic()
        panel.start()
        assert panel.ready() == READY
        assert time.monotonic() - begin < WELL_AGAIN_S


def test_a_web_server_that_starts_again_refuses_nobody() -> None:
    """Its socket is the supervisor's: who comes in between waits."""
    with served("--without", "agent,celery,beat,valkey") as panel:
        os.kill(panel.pid, signal.SIGHUP)
        old = panel.part("web")
        until("another web server runs", lambda: panel.part("web") != old, 15)
        with urllib.request.urlopen(f"{panel.url}/healthz/live", timeout=20) as answer:
            assert answer.read() == b"ok\n"


def test_a_second_one_is_told_which_process_has_the_folder() -> None:
    with served("--only", "web,valkey") as panel:
        done = subprocess.run(
            [sys.executable, "manage.py", "serve", "--listen", f"127.0.0.1:{free_port()}"], cwd=ROOT,
            env=environment(panel.var), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert f"Another `manage.py serve` (process {panel.pid}) runs the part valkey on {panel.var}." in done.stderr


def test_with_a_certificate_it_speaks_https_and_the_cookies_are_for_https_only(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.issue("127.0.0.1")
    (tmp_path / "cert.pem").write_text(pair.certificate + authority.pem)
    (tmp_path / "key.pem").write_text(pair.key)
    files = {"XREV_TLS_CERT": str(tmp_path / "cert.pem"), "XREV_TLS_KEY": str(tmp_path / "key.pem")}
    with served("--without", "agent,celery,beat,valkey", **files) as panel:
        context = ssl.create_default_context(cadata=authority.pem)
        url = f"https://127.0.0.1:{panel.port}"
        assert f"\n  {url}/setup/" in panel.log
        with urllib.request.urlopen(f"{url}/admin/login/", timeout=10, context=context) as answer:
            assert answer.headers["Strict-Transport-Security"]
            assert "; Secure" in answer.headers["Set-Cookie"]
        with urllib.request.urlopen(f"{url}/healthz/ready", timeout=10, context=context) as answer:
            assert answer.status == 200


def test_the_log_can_be_json_and_says_which_part(tmp_path: Path) -> None:
    with served("--without", "agent", XREV_LOG="json") as panel:
        panel.end()
        lines = [json.loads(line) for line in panel.log.splitlines() if line.startswith("{")]
    assert {"part": "serve", "message": "stopped"}.items() <= lines[-1].items()
    assert any(line["message"].startswith("web runs as process") for line in lines)


def test_a_broker_that_is_gone_is_named_by_readiness(tmp_path: Path) -> None:
    with served("--only", "web", REDIS_URL=f"unix://{tmp_path}/nobody.sock") as panel:
        assert panel.ready() == {**READY, "ready": False, "broker": "failed"}
        with urllib.request.urlopen(f"{panel.url}/healthz/live", timeout=5) as answer:
            assert answer.status == 200


def test_parts_may_run_in_processes_of_their_own() -> None:
    """As several containers do, with a Redis that all of them reach."""
    with served("--only", "valkey,web") as first:
        socket = re.findall(r"xrev-\S+valkey\.sock", " ".join(map(str, (first.var / "valkey").iterdir())))
        assert socket
        url = f"unix://{first.var}/valkey/valkey.sock"
        second = Served(first.folder / "second", "--only", "celery,beat", REDIS_URL=url)
        second.folder.mkdir()
        second.var = first.var
        try:
            second.start()
            assert "Running: celery, beat" in second.log
            until("Celery answers", lambda: celery_answers(first), 20)
        finally:
            second.end()


def test_a_taken_port_is_one_sentence() -> None:
    with served("--without", "agent,celery,beat,valkey") as panel, short_folder() as folder:
        done = subprocess.run(
            [sys.executable, "manage.py", "serve", "--listen", f"127.0.0.1:{panel.port}"], cwd=ROOT,
            env=environment(folder), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert f"127.0.0.1 port {panel.port} cannot be listened on: Address already in use" in done.stderr
