"""What `serve` does with its parts' sockets and folders, and what is said when it cannot run. Kills: test_killed.py."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.database import environment
from tests.support.panel import READY, Served, celery_answers, served
from tests.support.processes import ROOT, free_port, until


@pytest.fixture(scope="module")
def panel() -> Iterator[Served]:
    """Its web server, and the Redis that other parts of it would reach."""
    with served("--only", "web,valkey") as panel:
        yield panel


def test_a_web_server_that_starts_again_refuses_nobody(panel: Served) -> None:
    """Its socket is the supervisor's: who comes in between waits."""
    old = panel.part("web")
    os.kill(panel.pid, signal.SIGHUP)
    until("another web server runs", lambda: panel.part("web") != old, 15)
    with urllib.request.urlopen(f"{panel.url}/healthz/live", timeout=20) as answer:
        assert answer.read() == b"ok\n"


def test_a_second_one_is_told_which_process_has_the_folder(panel: Served) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "serve", "--listen", f"127.0.0.1:{free_port()}"], cwd=ROOT,
        env=environment(panel.var), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"Another `manage.py serve` (process {panel.pid}) runs the part valkey on {panel.var}." in done.stderr


def test_parts_may_run_in_processes_of_their_own(panel: Served) -> None:
    """As several containers do, with a Redis that all of them reach."""
    url = f"unix://{panel.var}/valkey/valkey.sock"
    second = Served(panel.folder / "second", "--only", "celery,beat", REDIS_URL=url)
    second.folder.mkdir()
    second.var = panel.var
    try:
        second.start()
        assert "Running: celery, beat" in second.log
        until("Celery answers", lambda: celery_answers(panel), 20)
    finally:
        second.end()


def test_with_a_certificate_it_speaks_https_and_the_cookies_are_for_https_only(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.issue("127.0.0.1")
    (tmp_path / "cert.pem").write_text(pair.certificate + authority.pem)
    (tmp_path / "key.pem").write_text(pair.key)
    files = {"XREV_TLS_CERT": str(tmp_path / "cert.pem"), "XREV_TLS_KEY": str(tmp_path / "key.pem")}
    with served("--only", "web", **files) as panel:
        context = ssl.create_default_context(cadata=authority.pem)
        url = f"https://127.0.0.1:{panel.port}"
        assert f"\n  {url}/setup/" in panel.log
        with urllib.request.urlopen(f"{url}/admin/login/", timeout=20, context=context) as answer:
            assert answer.headers["Strict-Transport-Security"]
            assert "; Secure" in answer.headers["Set-Cookie"]
        with urllib.request.urlopen(f"{url}/healthz/ready", timeout=20, context=context) as answer:
            assert answer.status == 200


def test_a_broker_that_is_gone_is_named_by_readiness_and_the_log_can_be_json(tmp_path: Path) -> None:
    with served("--only", "web", REDIS_URL=f"unix://{tmp_path}/nobody.sock", XREV_LOG="json") as panel:
        assert panel.readiness() == {**READY, "ready": False, "broker": "failed"}
        with urllib.request.urlopen(f"{panel.url}/healthz/live", timeout=20) as answer:
            assert answer.status == 200
        panel.end()
        lines = [json.loads(line) for line in panel.log.splitlines() if line.startswith("{")]
    assert {"part": "serve", "message": "stopped"}.items() <= lines[-1].items()
    assert any(line["message"].startswith("web runs as process") for line in lines)
