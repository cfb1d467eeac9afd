"""The whole of it: `manage.py serve`, its node and a joined one, our workers, and a target behind their tunnel."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents
from tests.support.node import AGENT, workers_of
from tests.support.panel import Served, served
from tests.support.processes import Process, Processes, free_port, until
from tests.support.target import Target, ask, is_served, read_exactly

pytestmark = pytest.mark.timeout(240)

UP_S = 30.0
RUNS = """
from dashboard.models import InstanceRun
print({run.instance.name: (run.applied, run.settled, run.reverted, run.reverted_reason) for run in InstanceRun.objects.all()})
"""
EVENTS = "from dashboard.models import NodeEvent; print(sorted(set(NodeEvent.objects.values_list('kind', flat=True))))"


class Tunnel:
    """A portal on the panel's own node, published; its bridge is on `bridge_node`."""

    def __init__(self, panel: Served, target: Target, folder: Path, bridge_node: str = "local") -> None:
        self.panel = panel
        self.folder = folder
        self.port, carrier = free_port(), free_port()
        self.portal = documents.portal([documents.door("web", self.port, target.port)], carrier)
        self.publish("portal", self.portal)
        self.publish("bridge", documents.bridge(carrier), node=bridge_node)

    def publish(self, name: str, document: dict[str, Any], *more: str, node: str = "local") -> None:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(document))
        self.panel.manage("xray_import", "--name", name, "--node", node, str(path))
        self.panel.manage("publish", name, "--accept-warnings", *more)

    def await_served(self, what: str = "the target answers through the tunnel") -> None:
        until(what, lambda: is_served(self.port), UP_S)


def echo(sock: socket.socket, word: bytes) -> None:
    sock.sendall(word)
    assert read_exactly(sock, len(word)) == word


def test_a_session_outlives_every_part_of_the_panel(target: Target, tmp_path: Path) -> None:
    with served("--without", "celery") as panel:
        tunnel = Tunnel(panel, target, tmp_path)
        tunnel.await_served()
        workers = sorted(workers_of(panel.var / "agent"))
        assert len(workers) == 2
        with ask(tunnel.port, b"ECHO\n") as sock:
            echo(sock, b"before")
            for part in ("agent", "web", "valkey"):
                panel.kill_part(part)
                echo(sock, part.encode())
            panel.kill_part("agent")
            assert panel.process is not None
            panel.process.kill()                # serve itself, and so its children, but not the workers
            echo(sock, b"nobody above us")
            panel.start()
            connected = "connected to"
            until("the agent is connected", lambda: connected in panel.log.rpartition("agent runs as process")[2], UP_S)
            echo(sock, b"and again")
        assert sorted(workers_of(panel.var / "agent")) == workers
        assert "worker_died" not in panel.python(EVENTS)
        panel.end()
        assert workers_of(panel.var / "agent") == []


def test_a_publish_that_breaks_the_tunnel_returns_by_itself(target: Target, tmp_path: Path) -> None:
    with served("--without", "celery") as panel:
        tunnel = Tunnel(panel, target, tmp_path)
        tunnel.await_served()
        until("both are settled", lambda: "'portal': (1, 1, 0, '')" in panel.python(RUNS), 10)
        broken = json.loads(json.dumps(tunnel.portal).replace(documents.UUID, "00000000-0000-4000-8000-000000000000"))
        tunnel.publish("portal", broken, "--confirm-within", "5")
        until("it is taken back", lambda: "did not come back within 5 s" in panel.python(RUNS), 30)
        tunnel.await_served("the target answers again")
        kinds = panel.python(EVENTS)
        assert "reverted" in kinds
        assert "tunnel_down" in kinds


def test_a_node_joins_with_the_printed_command_and_is_paused_and_revoked(
    target: Target, tmp_path: Path, processes: Processes
) -> None:
    with served("--without", "celery") as panel:
        made = json.loads(panel.manage("node_token", "--name", "attic", "--panel", panel.url, "--format", "json"))
        state_dir = panel.folder / "attic"
        command = made["command"].replace("python -m proxycore agent", shlex.join([*AGENT, "--state-dir", str(state_dir)]))
        try:
            agent: Process = processes.start("attic", ["sh", "-c", command])
            until("it is connected", lambda: "connected to" in agent.log, UP_S)
            tunnel = Tunnel(panel, target, tmp_path, bridge_node="attic")
            tunnel.await_served()
            (bridge,) = workers_of(state_dir)
            panel.manage("node", "pause", "attic")
            until("its worker ends", lambda: not workers_of(state_dir), UP_S)
            assert "the panel has paused this node" in agent.log
            panel.manage("node", "resume", "attic")
            agent_pid = int((state_dir / "lock").read_text().split()[1])
            os.kill(agent_pid, signal.SIGTERM)          # else it asks again after a minute
            until("it ends", lambda: agent.exit_code is not None, UP_S)
            again = processes.start("again", [*AGENT, "--state-dir", str(state_dir)])
            tunnel.await_served("the target answers again")
            assert workers_of(state_dir) != [bridge]
            begin = time.monotonic()
            panel.manage("node", "revoke", "attic")
            assert again.wait(UP_S) == 4
            assert time.monotonic() - begin < UP_S
            assert workers_of(state_dir) == []
            assert [path.name for path in state_dir.iterdir()] == ["lock"]
            assert not is_served(tunnel.port)
        finally:
            for pid in workers_of(state_dir):
                os.kill(pid, signal.SIGKILL)
