"""The demo, with a transfer running through its tunnel while each process is killed in turn."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.support.panel import Served, served
from tests.support.processes import free_port, until

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


def tree(panel: Served, token: str) -> dict[str, Any]:
    """What the panel shows now; empty where it does not answer."""
    try:
        with connect(
            f"ws://127.0.0.1:{panel.port}/ws/live/", additional_headers={"Authorization": f"Bearer {token}"}, open_timeout=5,
            proxy=None,
        ) as live:
            return dict(json.loads(live.recv(5)))
    except (OSError, WebSocketException):
        return {}


def shows_the_tunnel(panel: Served, token: str, pids: set[int]) -> bool:
    """The node is connected, both workers run as the processes that they are, and the tunnel has a carrier at both ends."""
    for node in tree(panel, token).get("nodes", {}).values():
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
def demo() -> Iterator[Served]:
    with served("--demo", "--demo-port", str(free_port())) as panel:
        until("the demo's page came through the tunnel", lambda: "A page that came through a tunnel" in panel.log, 40)
        yield panel


def test_no_session_is_lost_when_any_process_but_a_worker_is_killed(demo: Served) -> None:
    token = demo.python(TOKEN).split()[-1]
    before = workers(demo)
    assert len(before) == 2
    until("the panel shows the tunnel", lambda: shows_the_tunnel(demo, token, set(before)), 15)
    transfer = Transfer(demo.demo_port)
    transfer.start()
    until("bytes arrive", lambda: transfer.size > PIECE, 10)
    told = []
    for name in ("web", "celery", "valkey", "agent", "serve"):
        begin = time.monotonic()
        if name == "serve":
            os.kill(demo.pid, signal.SIGKILL)
            demo.start()
        else:
            demo.kill_part(name)
        until(f"ready after {name} was killed", lambda: demo.ready().get("ready") is True, WELL_AGAIN_S)
        until(f"the tunnel is shown after {name} was killed", lambda: shows_the_tunnel(demo, token, set(before)), WELL_AGAIN_S)
        told.append(f"{name}: well again after {time.monotonic() - begin:.1f} s")
        assert workers(demo) == before, f"the same workers after {name} was killed, and no others"
        assert transfer.is_alive(), f"the transfer went on after {name} was killed: {transfer.error}"
    print("; ".join(told))              # noqa: T201 - figures worth seeing
    transfer.join(TRAFFIC_S)
    assert transfer.error == ""
    assert transfer.size == transfer.expected == TRAFFIC_S * 16 * PIECE
    assert not transfer.has_other_bytes
    demo.end()
    until("the workers end with it", lambda: workers(demo) == {}, 10)


def test_a_killed_worker_comes_back_alone(demo: Served) -> None:
    token = demo.python(TOKEN).split()[-1]
    before = workers(demo)
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    until("another worker runs", lambda: len(workers(demo)) == 2 and killed not in workers(demo), WELL_AGAIN_S)
    assert set(before) - {killed} < set(workers(demo)), "the other one is the same"
    until("the panel shows the tunnel", lambda: shows_the_tunnel(demo, token, set(workers(demo))), WELL_AGAIN_S)


def test_workers_that_nobody_takes_over_end_by_themselves(demo: Served) -> None:
    """`serve` was killed, and nobody starts it again."""
    left = workers(demo)
    os.kill(demo.pid, signal.SIGKILL)
    assert workers(demo) == left
    until("they end", lambda: workers(demo) == {}, 90)
