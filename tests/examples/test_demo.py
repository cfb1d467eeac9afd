"""`make demo`, without make: the page through the tunnel, and what is said when something is in the way."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.programs import ROOT, eventually, free_port, is_listening, started

DEMO = [sys.executable, "examples/demo.py"]


def pids(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"\(process (\d+)\)", text)]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_page_comes_through_the_tunnel_and_a_signal_leaves_nothing_running(number: signal.Signals) -> None:
    port, carrier = free_port(), free_port()
    with started([*DEMO, "--port", str(port), "--carrier-port", str(carrier)]) as process:
        assert process.stdout is not None
        text = ""
        while "Ctrl-C" not in text and (line := process.stdout.readline()):
            text += line
        assert f"Open http://127.0.0.1:{port} " in text
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/<a>?b=1")
        page = connection.getresponse().read().decode()
        connection.close()
        assert "You reached this page through a reverse tunnel" in page
        assert "<dd>/&lt;a&gt;?b=1</dd>" in page
        assert f"<small>127.0.0.1:{port}</small>" in page
        parts = pids(text)
        assert len(parts) == 2
        process.send_signal(number)
        process.wait(10)
        assert process.returncode == 0
        eventually(lambda: not any(is_alive(pid) for pid in parts))
        assert not is_listening(port)


def test_a_taken_port_is_one_sentence_with_another_that_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with started([*DEMO, "--port", str(taken)]) as process:
            out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    sentence = rf"Port {taken} on 127\.0\.0\.1 is taken by another program\. Choose another: make demo PORT=(\d+)\n"
    found = re.fullmatch(sentence, err)
    assert found is not None
    assert not is_listening(int(found[1]))
    assert out == ""


def test_a_part_that_dies_is_named_with_its_last_lines() -> None:
    with started([*DEMO, "--port", str(free_port()), "--carrier-port", str(free_port())]) as process:
        assert process.stdout is not None
        text = ""
        while "Ctrl-C" not in text and (line := process.stdout.readline()):
            text += line
        portal, bridge = pids(text)
        os.kill(bridge, signal.SIGKILL)
        _, err = process.communicate(timeout=20)
    assert err.startswith("The bridge was killed by signal 9. Its last lines:\n")
    assert "connected to the portal" in err
    assert process.returncode == 1
    assert not is_alive(portal)


def test_the_port_numbers_of_the_examples_stand_where_the_demo_replaces_them() -> None:
    portal = (ROOT / "examples" / "portal.json").read_text()
    bridge = (ROOT / "examples" / "bridge.json").read_text()
    assert len(re.findall(r'"port": 8080,', portal)) == 1
    assert len(re.findall(r'"port": 10240,', portal)) == 1
    assert len(re.findall(r'"port": 10240,', bridge)) == 1
    assert len(re.findall(r'"redirect": "127\.0\.0\.1:8081"', bridge)) == 1
