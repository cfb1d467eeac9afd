"""The page of `make demo`, from its own program; through the tunnel it is fetched in tests/xrevsite/serving/test_killed.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Processes, free_port

SITE = str(ROOT / "examples" / "demo_site.py")


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.end_all()


@pytest.fixture
def site(processes: Processes) -> Iterator[HTTPConnection]:
    port = free_port()
    command = [sys.executable, SITE, "--port", str(port), "--entry", "18080", "--carrier", "10240", "--panel", "http://127.0.0.1:8000"]
    processes.start("site", command).await_port(port)
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    yield connection
    connection.close()


def test_the_page_says_how_it_was_reached_and_leads_to_the_panel(site: HTTPConnection) -> None:
    site.request("GET", "/<a>?b=1")
    answer = site.getresponse()
    page = answer.read().decode()
    assert answer.headers["X-Through-The-Tunnel"] == "yes"
    assert "You reached this page through a reverse tunnel" in page
    assert "<dd>/&lt;a&gt;?b=1</dd>" in page
    assert "<small>127.0.0.1:18080</small>" in page
    assert 'href="http://127.0.0.1:8000/"' in page
    assert 'href="http://127.0.0.1:8000/admin/dashboard/instance/expose/"' in page


@pytest.mark.parametrize(("seconds", "size"), [("0", 0), ("1", 16 * 65_536), ("-5", 0), ("x", 0), ("99999999", 0)])
def test_traffic_is_as_long_as_was_asked_within_reason(site: HTTPConnection, seconds: str, size: int) -> None:
    site.request("GET", f"/traffic?seconds={seconds}")
    assert len(site.getresponse().read()) == size


def test_a_taken_port_is_one_sentence(processes: Processes, site: HTTPConnection) -> None:
    command = [sys.executable, SITE, "--port", str(site.port), "--entry", "1", "--carrier", "2"]
    second = processes.start("second", command)
    assert second.wait(10) == 1
    assert second.log == f"127.0.0.1 port {site.port} cannot be listened on: Address already in use\n"
