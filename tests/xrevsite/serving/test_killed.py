"""A panel with a transfer running through its tunnel, while each process is killed in turn."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from proxycore.messages.patch import merge
from tests.support.panel import READY, Served, celery_answers, served
from tests.support.processes import accepts, free_port, is_alive, until
from tests.support.target import BLOCK, Target, ask, is_served, read_exactly

PARTS = ("web", "celery", "valkey", "agent")
WELL_AGAIN_S = 10.0
PIECE = 65_536
PAUSE_S = 0.02
TOKEN = """
from django.contrib.auth.models import User
from dashboard.services.tokens import create_token
user = User.objects.create_superuser("ada", password="correct horse battery")
print(create_token(user, by=None, name="test")[1])
"""


class Transfer(threading.Thread):
    """Bytes there and back through the tunnel until it is stopped: whatever is lost or doubled comes back otherwise."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.size = 0
        self.error = ""
        self._stopping = threading.Event()

    def run(self) -> None:
        begin = 0
        try:
            with ask(self.port, b"ECHO\n") as sock:
                while not self._stopping.wait(PAUSE_S):
                    piece = BLOCK[begin : begin + PIECE]
                    begin = (begin + 1) % (len(BLOCK) - PIECE)
                    sock.sendall(piece)
                    if read_exactly(sock, PIECE) != piece:
                        raise ConnectionError("it came back otherwise, or ended")
                    self.size += PIECE
        except OSError as error:
            self.error = repr(error)

    def goes_on(self) -> bool:
        """More bytes come back than have until now."""
        size = self.size
        until("more bytes arrive", lambda: self.size > size or self.error, 10)
        return self.error == ""

    def stop(self) -> None:
        self._stopping.set()
        self.join(20)


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


def are_gone(pids: Sequence[int]) -> bool:
    return not any(map(is_alive, pids))


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
        self._changing = threading.Lock()       # what is merged meanwhile cannot be looked at

    def run(self) -> None:
        while not self._closing.is_set():
            try:
                self._follow()
            except (OSError, WebSocketException):
                with self._changing:
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
                    with self._changing:
                        if message["type"] == "full":
                            self._state = {"nodes": message["nodes"]}
                        elif message["type"] == "patch":
                            merge(self._state, message["patch"])
                    if "version" in message:
                        live.send(json.dumps({"ack": message["version"]}))

    def shows_the_tunnel(self, pids: set[int]) -> bool:
        """The node is connected, both workers run as the processes that they are, and the tunnel has a carrier at both ends."""
        with self._changing:
            return self._has_the_tunnel(pids)

    def _has_the_tunnel(self, pids: set[int]) -> bool:
        for node in self._state.get("nodes", {}).values():
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


@dataclass(frozen=True)
class Installation:
    """A panel, and a tunnel from `entry` to a server that is no part of it; both of its sides run here."""

    panel: Served
    page: Page
    entry: int


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    target, entry = Target(), free_port()
    target.start()
    with served() as panel:
        panel.python(
            "from dashboard.services.example import make_example; "
            f"make_example(public_port={entry}, carrier_port={free_port()}, target_port={target.port})")
        until("the tunnel is up", lambda: is_served(entry), 40)
        page = Page(panel, panel.python(TOKEN).split()[-1])
        page.start()
        yield Installation(panel, page, entry)
        page.close()
    target.stop()


def test_no_session_is_lost_when_any_process_but_a_worker_is_killed(installation: Installation) -> None:
    panel, page = installation.panel, installation.page
    before = workers(panel)
    assert len(before) == 2
    until("the panel shows the tunnel", lambda: page.shows_the_tunnel(set(before)), 15)
    transfer = Transfer(installation.entry)
    transfer.start()
    told = []
    for name in (*PARTS, "serve"):
        begin = time.monotonic()
        if name == "serve":
            parts = [panel.part(one) for one in PARTS]
            os.kill(panel.pid, signal.SIGKILL)
            until("its parts end with it", partial(are_gone, parts), 5)
            assert transfer.goes_on(), f"with nobody above the workers: {transfer.error}"
            begin = time.monotonic()
            panel.start()
        else:
            had = links(panel)
            panel.kill_part(name)
            if name in ("web", "agent"):
                until("the agent is connected again", partial(has_more_links, panel, had), WELL_AGAIN_S)
        until(f"ready after {name} was killed", lambda: panel.ready() == READY, WELL_AGAIN_S)
        until(f"the tunnel is shown after {name} was killed", lambda: page.shows_the_tunnel(set(before)), WELL_AGAIN_S)
        told.append(f"{name}: well again after {time.monotonic() - begin:.1f} s")
        assert workers(panel) == before, f"the same workers after {name} was killed, and no others"
        assert transfer.goes_on(), f"the transfer went on after {name} was killed: {transfer.error}"
        if name in ("celery", "valkey", "serve"):
            until(f"Celery answers after {name} was killed", lambda: celery_answers(panel), 20)
    print("; ".join(told))              # noqa: T201 - figures worth seeing
    transfer.stop()
    assert transfer.error == ""


def test_a_killed_worker_comes_back_alone(installation: Installation) -> None:
    """One without an agent ends by itself: tests/e2e/test_worker.py."""
    panel, page = installation.panel, installation.page
    before = workers(panel)
    killed = min(before)
    os.kill(killed, signal.SIGKILL)

    def two_without_it() -> set[int]:
        found = set(workers(panel))
        return found if len(found) == 2 and killed not in found else set()

    now = until("another worker runs", two_without_it, WELL_AGAIN_S)
    assert set(before) - {killed} < now, "the other one is the same"
    until("the panel shows the tunnel", lambda: page.shows_the_tunnel(now), WELL_AGAIN_S)


def test_the_end_leaves_nothing(installation: Installation) -> None:
    """The last one of this module."""
    panel = installation.panel
    installation.page.close()
    pids = [*(panel.part(name) for name in PARTS), *workers(panel)]
    assert len(pids) == len(PARTS) + 2
    begin = time.monotonic()
    panel.end()
    assert panel.process is not None
    assert panel.process.exit_code == 0
    assert time.monotonic() - begin < WELL_AGAIN_S
    until("the workers end with it", partial(are_gone, pids), 5)
    assert not accepts(panel.port)
