"""A panel with a transfer running through its tunnel, while each process is killed in turn."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from proxycore.messages.patch import merge
from tests.support.panel import Served, served
from tests.support.processes import ROOT, Processes, free_port, until
from xrevsite.serving.demo import is_answered

pytestmark = pytest.mark.timeout(240)

WELL_AGAIN_S = 10.0
PIECE = 65_536
TRAFFIC_S = 60
TOKEN = """
from django.contrib.auth.models import User
from dashboard.services.tokens import create_token
user = User.objects.create_superuser("ada", password="correct horse battery")
print(create_token(user, by=None, name="test")[1])
"""


class Transfer(threading.Thread):
    """The demo's traffic, read to its end."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.size = 0
        self.has_other_bytes = False
        self.error = ""

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", f"/traffic?seconds={TRAFFIC_S}")
            answer = connection.getresponse()
            self.expected = int(answer.headers["Content-Length"])
            while piece := answer.read(PIECE):
                self.size += len(piece)
                self.has_other_bytes |= piece.strip(b"x") != b""
        except (OSError, http.client.HTTPException) as error:
            self.error = repr(error)
        finally:
            connection.close()


def workers(panel: Served) -> dict[int, float]:
    """The workers of this panel that run, by process, with when they started."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
            if b"proxycore" in command and f"{panel.var}/agent/run/".encode() in command:
                found[int(folder.name)] = float((folder / "stat").read_text().rpartition(")")[2].split()[19])
        except OSError:
            continue                    # it ended just now
    return found


def links(panel: Served) -> int:
    """How often the agent was connected to the panel so far."""
    return panel.log.count('logger=agent.link message="connected to')


def has_more_links(panel: Served, than: int) -> bool:
    return links(panel) > than


class Page(threading.Thread):
    """What an open page of the panel shows: it follows the state, and comes back after it lost its connection."""

    def __init__(self, panel: Served, token: str) -> None:
        super().__init__(daemon=True)
        self._address = f"ws://127.0.0.1:{panel.port}/ws/live/"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._closing = threading.Event()
        self._state: dict[str, Any] = {}

    def run(self) -> None:
        while not self._closing.is_set():
            try:
                self._follow()
            except (OSError, WebSocketException):
                self._state = {}
                self._closing.wait(0.5)

    def close(self) -> None:
        self._closing.set()
        self.join(10)

    def _follow(self) -> None:
        with connect(self._address, additional_headers=self._headers, open_timeout=5, proxy=None) as live:
            while not self._closing.is_set():
                with contextlib.suppress(TimeoutError):
                    message = json.loads(live.recv(0.5))
                    if message["type"] == "full":
                        self._state = {"nodes": message["nodes"]}
                    elif message["type"] == "patch":
                        merge(self._state, message["patch"])
                    if "version" in message:
                        live.send(json.dumps({"ack": message["version"]}))

    def shows_the_tunnel(self, pids: set[int]) -> bool:
        """The node is connected, both workers run as the processes that they are, and the tunnel has a carrier at both ends."""
        for node in list(self._state.get("nodes", {}).values()):
            running = list(node.get("workers", {}).values())
            sides = [side for worker in running for kind in ("portals", "bridges") for side in worker.get(kind, {}).values()]
            return (
                node.get("connected") is True
                and {worker.get("pid") for worker in running} == pids
                and all(worker.get("phase") == "running" for worker in running)
                and len(sides) == 2
                and all(side.get("carriers") for side in sides)
            )
        return False


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    """The port of a web server that is no part of the panel."""
    processes, port = Processes(tmp_path), free_port()
    command = [sys.executable, str(ROOT / "examples" / "demo_site.py"), "--port", str(port), "--entry", "0", "--carrier", "0"]
    processes.start("target", command).await_port(port)
    yield port
    processes.end_all()


@pytest.fixture
def entry() -> int:
    return free_port()


@pytest.fixture
def panel(target: int, entry: int) -> Iterator[Served]:
    """With a tunnel to the target, both of whose sides run here."""
    with served() as panel:
        panel.python(
            "from dashboard.services.example import make_example; "
            f"make_example(public_port={entry}, carrier_port={free_port()}, target_port={target})")
        until("the tunnel is up", lambda: is_answered(entry), 40)
        yield panel


@pytest.fixture
def page(panel: Served) -> Iterator[Page]:
    page = Page(panel, panel.python(TOKEN).split()[-1])
    page.start()
    yield page
    page.close()


def test_no_session_is_lost_when_any_process_but_a_worker_is_killed(panel: Served, page: Page, entry: int) -> None:
    before = workers(panel)
    assert len(before) == 2
    until("the panel shows the tunnel", lambda: page.shows_the_tunnel(set(before)), 15)
    transfer = Transfer(entry)
    transfer.start()
    until("bytes arrive", lambda: transfer.size > PIECE, 10)
    told = []
    for name in ("web", "celery", "valkey", "agent", "serve"):
        begin = time.monotonic()
        if name == "serve":
            os.kill(panel.pid, signal.SIGKILL)
            panel.start()
        else:
            had = links(panel)
            panel.kill_part(name)
            if name in ("web", "agent"):
                until("the agent is connected again", partial(has_more_links, panel, had), WELL_AGAIN_S)
        until(f"ready after {name} was killed", lambda: panel.ready().get("ready") is True, WELL_AGAIN_S)
        until(f"the tunnel is shown after {name} was killed", lambda: page.shows_the_tunnel(set(before)), WELL_AGAIN_S)
        told.append(f"{name}: well again after {time.monotonic() - begin:.1f} s")
        assert workers(panel) == before, f"the same workers after {name} was killed, and no others"
        assert transfer.is_alive(), f"the transfer went on after {name} was killed: {transfer.error}"
    print("; ".join(told))              # noqa: T201 - figures worth seeing
    transfer.join(TRAFFIC_S)
    assert transfer.error == ""
    assert transfer.size == transfer.expected == TRAFFIC_S * 16 * PIECE
    assert not transfer.has_other_bytes
    panel.end()
    until("the workers end with it", lambda: workers(panel) == {}, 10)


def test_a_killed_worker_comes_back_alone_and_without_an_agent_workers_end(panel: Served, page: Page) -> None:
    before = workers(panel)
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    until("another worker runs", lambda: len(workers(panel)) == 2 and killed not in workers(panel), WELL_AGAIN_S)
    assert set(before) - {killed} < set(workers(panel)), "the other one is the same"
    until("the panel shows the tunnel", lambda: page.shows_the_tunnel(set(workers(panel))), WELL_AGAIN_S)

    left = workers(panel)
    os.kill(panel.pid, signal.SIGKILL)          # and nobody starts `serve` again
    assert workers(panel) == left
    until("workers that nobody takes over end by themselves", lambda: workers(panel) == {}, 90)
