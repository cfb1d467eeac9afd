"""The agent with our own workers: a portal and a bridge as two instances of one node, and a target behind them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.test_agent import Nodes, nodes, panel  # noqa: F401 - fixtures
from tests.support import documents
from tests.support.agents_panel import wanted
from tests.support.node import Node
from tests.support.processes import free_port, until
from tests.support.target import BLOCK, Target, ask, is_served, read_exactly

PORTAL, BRIDGE = 1, 2


class Tunnelled:
    """Both sides on one node, up."""

    def __init__(self, node: Node, target: Target) -> None:
        self.node = node
        self.panel = node.panel
        self.port, self.carrier_port, self.other_port = (free_port() for _ in range(3))
        self.portal = documents.portal([documents.door("web", self.port, target.port)], self.carrier_port)
        self.bridge = documents.bridge(self.carrier_port)
        self.target = target

    def up(self) -> Tunnelled:
        self.panel.wanted = [wanted(PORTAL, 1, self.portal), wanted(BRIDGE, 1, self.bridge)]
        self.node.start()
        for number in (PORTAL, BRIDGE):
            self.node.await_running(number)
        until("the target answers through the tunnel", lambda: is_served(self.port), 20)
        until("its carrier is seen", lambda: self.carriers(), 20)
        return self

    def carriers(self) -> dict[str, Any]:
        portals = self.panel.worker(PORTAL).get("portals", {})
        return next(iter(portals.values()))["carriers"] if portals else {}

    def publish_portal(self, revision: int, change: Callable[[dict[str, Any]], None], **more: Any) -> Any:
        document = json.loads(json.dumps(self.portal))
        change(document)
        self.panel.want(wanted(PORTAL, revision, document, **more), wanted(BRIDGE, 1, self.bridge))
        return self.panel.await_said("applied", lambda one: (one.instance, one.revision) == (PORTAL, revision))


@pytest.fixture
def tunnel(nodes: Nodes, target: Target) -> Tunnelled:  # noqa: F811
    return Tunnelled(nodes(workers=""), target).up()


def another_door(tunnel: Tunnelled) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        door = documents.door("other", tunnel.other_port, tunnel.target.port)
        document["inbounds"].append(door)
        for rule in document["routing"]["rules"]:
            if "web" in rule.get("inboundTag", []):
                rule["inboundTag"].append("other")
    return change


def test_a_session_outlives_killed_agents_and_hot_changes(tunnel: Tunnelled) -> None:
    node, panel = tunnel.node, tunnel.panel  # noqa: F811
    pids = sorted(node.worker_pids)
    with ask(tunnel.port, b"ECHO\none") as sock:
        assert read_exactly(sock, 3) == b"one"
        assert tunnel.publish_portal(2, another_door(tunnel)).problems == []
        until("the other door leads there too", lambda: is_served(tunnel.other_port), 20)
        for _ in range(3):
            node.kill()
            node.start()
            node.await_running(PORTAL)
            sock.sendall(b"two")
            assert read_exactly(sock, 3) == b"two"
        until("its session is seen", lambda: panel.worker(PORTAL).get("sessions", 0) >= 1, 20)
        (session,) = panel.ask(PORTAL, "sessions", tunnel="portal", kind="portal").answer["sessions"]
        assert session["inbound"] == "web"
        panel.ask(PORTAL, "close", ids=[session["id"]])
        assert sock.recv(1) == b""
    assert sorted(node.worker_pids) == pids


def test_a_taken_port_is_said_with_its_place_and_nothing_changes(tunnel: Tunnelled) -> None:
    def taken(document: dict[str, Any]) -> None:
        document["inbounds"].append(documents.door("other", tunnel.target.port, 9))

    with ask(tunnel.port, b"ECHO\none") as sock:
        assert read_exactly(sock, 3) == b"one"
        (problem,) = tunnel.publish_portal(2, taken).problems
        assert problem.path.startswith("inbounds[")
        sock.sendall(b"two")
        assert read_exactly(sock, 3) == b"two"


def test_a_killed_worker_loses_its_own_sessions_only_and_serves_again(tunnel: Tunnelled) -> None:
    panel, node = tunnel.panel, tunnel.node  # noqa: F811
    bridge = panel.worker(BRIDGE)["pid"]
    os.kill(panel.worker(PORTAL)["pid"], signal.SIGKILL)
    until("the target answers again", lambda: is_served(tunnel.port), 30)
    assert node.await_running(BRIDGE) == bridge


def test_traffic_of_both_sides_is_reported_to_the_byte(tunnel: Tunnelled) -> None:
    panel = tunnel.panel  # noqa: F811
    size = 3_000_000

    def down() -> int:
        """As the worker of the portal counts it; it says so once a second."""
        return int(panel.worker(PORTAL).get("inbounds", {}).get("web", {}).get("down", 0))

    before = until("the first answer is counted", down, 20)
    with ask(tunnel.port, b"GET %d\n" % size) as sock:
        assert len(read_exactly(sock, size)) == size
        assert BLOCK
    until("this one is, too", lambda: down() == before + size, 20)
    tunnel.node.process.end()                           # what it had not sent it sends when it is back
    tunnel.node.start()
    until("all is reported", lambda: panel.moved(PORTAL, "inbound", "web")[1] >= before + size, 30)
    until("that of the bridge, too", lambda: panel.moved(BRIDGE, "tunnel", "bridge")[1] >= size, 30)
    assert panel.moved(PORTAL, "inbound", "web")[1] == before + size


def test_stopping_the_agent_stops_the_workers_in_order(tunnel: Tunnelled) -> None:
    node = tunnel.node
    with ask(tunnel.port, b"ECHO\none") as sock:
        assert read_exactly(sock, 3) == b"one"
        node.process.send_signal(signal.SIGTERM)
        sock.sendall(b"two")
        assert read_exactly(sock, 3) == b"two"          # it may go on for a while
    assert node.process.wait(30) == 0
    assert node.worker_pids == []
