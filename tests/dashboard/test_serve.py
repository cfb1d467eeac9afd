"""`manage.py serve` as a person starts it."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.support.processes import free_port, until
from tests.xrevsite.test_settings import ROOT, manage


def test_where_it_may_not_listen_is_said_in_a_sentence(tmp_path: Path) -> None:
    """Which places these are: tests/xrevsite/serving/test_listening.py."""
    done = manage(tmp_path, "serve", "--listen", "[::]:8000")
    assert done.returncode == 1
    assert "can be reached from the network, and passwords would cross it unencrypted" in done.stderr


def test_from_nothing_to_the_page_of_the_first_account(tmp_path: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--listen", f"127.0.0.1:{port}"],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", "XREV_VAR": str(tmp_path / "var")}, stdout=subprocess.PIPE, text=True,
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline() + server.stdout.readline()
        link = re.search(r"http://127\.0\.0\.1:\d+/setup/\S+", said)
        assert link is not None, said
        page = _read(link[0])
        assert "Make the first account" in page
        style = re.search(r'href="(/static/[^"]+\.css)"', page)
        assert style is not None
        assert "--accent" in _read(f"http://127.0.0.1:{port}{style[1]}"), "its own style, without DEBUG"
        admin_style = _read(f"http://127.0.0.1:{port}/static/unfold/css/styles.css")
        assert len(admin_style) > 10_000
    finally:
        server.terminate()
        server.wait(40)
        if server.stdout is not None:
            server.stdout.close()


def _read(url: str) -> str:
    def fetched() -> str:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:         # refused, closed, or later than it is waited for
            return ""

    return until(f"{url} answers", fetched, 30)
