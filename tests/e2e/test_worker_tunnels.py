"""VLESS's own reverse tunnel in workers, clients that a bridge is told of, and agents that do not read."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass

import pytest

from proxycore.messages.worker import Ask, Run
from tests.e2e.conftest import program
from tests.support import documents
from tests.support.processes import LOCALHOST, free_port, until
from tests.support.target import Target, ask, is_served, read_exactly
from tests.support.worker import Agent, Workers


@dataclass
class Ends:
    portal: Agent
    bridge: Agent
    port: int

    def await_same_up(self) -> int:
        """Until both have told that as much went up: they do so once a second, each at its own time."""
        def told() -> int:
            for agent in (self.portal, self.bridge):
                agent.listen(0.05)
            up = self.portal.state["portals"]["home"]["up"]
            return int(up) if up == self.bridge.state["bridges"]["r-in"]["up"] else 0
        return until("both have told all of it", told, 20)


@pytest.fixture
def ends(workers: Workers, target: Target) -> Ends:
    """A tunnel without a `reverse` section: a client of the inbound brings it."""
    port, carrier_port = free_port(), free_port()
    inbound = {
        "tag": "interconn", "listen": LOCALHOST, "port": carrier_port, "protocol": "vless",
        "settings": {"decryption": "none", "clients": [
            {"id": documents.UUID, "email": "home@example.org", "reverse": {"tag": "home"}}]}}
    portal = documents.proxy(
        [documents.door("web", port, target.port), inbound], [{"tag": "direct", "protocol": "freedom"}],
        [documents.rule("home", inboundTag=["web"])])
    outbound = {"tag": "far", "protocol": "vless", "settings": {
        "address": LOCALHOST, "port": carrier_port, "id": documents.UUID, "encryption": "none", "reverse": {"tag": "r-in"}}}
    bridge = documents.proxy(
        [], [{"tag": "none", "protocol": "blackhole"}, outbound, {"tag": "out", "protocol": "freedom"}],
        [documents.rule("out", inboundTag=["r-in"])])
    found = Ends(workers.run("portal", portal), workers.run("bridge", bridge), port)
    until("the target answers through the tunnel", lambda: is_served(port), 20)
    return found


def test_a_tunnel_that_a_client_brings_is_a_portal_and_a_bridge_too(ends: Ends) -> None:
    with ask(ends.port, b"ECHO\nhello") as sock:
        assert read_exactly(sock, 5) == b"hello"
        ends.portal.await_("the session shows", lambda: ends.portal.state.get("sessions") == 1)
        ends.bridge.await_("it shows at the bridge", lambda: ends.bridge.state.get("sessions") == 1)
        portal, bridge = ends.portal.state["portals"]["home"], ends.bridge.state["bridges"]["r-in"]
        assert portal["domain"] == ""
        (carrier,) = portal["carriers"].values()
        assert (carrier["user"], carrier["health"], carrier["sessions"]) == ("home@example.org", "active", 1)
        assert bridge["via"] == "far"
        assert ends.await_same_up() >= len(b"ECHO\nhello")
    ends.portal.await_event("tunnel_up", tag="home")
    ends.bridge.await_event("tunnel_up", tag="r-in")


def test_what_is_up_is_told_before_another_document_is_applied(ends: Ends) -> None:
    """An agent that is to notice what a document breaks knows it as of then, not of the last second."""
    with ask(ends.port, b"ECHO\nhello") as sock:
        assert read_exactly(sock, 5) == b"hello"
        document = documents.proxy([], [{"tag": "none", "protocol": "blackhole"}])
        ends.bridge.send(Run(id=99, name="test #2", document=json.dumps(document)))
        ends.bridge.await_("it is applied", lambda: ends.bridge.done.get(99))
    told = [one.patch.get("bridges", {}).get("r-in") or {} for one in ends.bridge.states]
    assert 1 in [one.get("sessions") for one in told]


def test_a_bridge_lists_closes_and_blocks_by_the_client_that_it_was_told_of(ends: Ends) -> None:
    with ask(ends.port, b"ECHO\nx") as sock:
        assert read_exactly(sock, 1) == b"x"
        (session,) = ends.bridge.ask("sessions", tunnel="r-in", kind="bridge").answer["sessions"]
        assert session["source"] == "{}:{}".format(*sock.getsockname())
        assert ends.bridge.ask("block", source=LOCALHOST, seconds=600).answer == {"closed": 1}
        assert sock.recv(1) == b""
    assert not is_served(ends.port)
    ends.bridge.await_event("refused", reason="blocked", tag="r-in", source=LOCALHOST)
    ends.bridge.await_("the carrier is not of that source", lambda: (
        ends.bridge.state.get("blocked") and ends.bridge.state["bridges"]["r-in"]["carriers"]))
    ends.bridge.ask("unblock", source=LOCALHOST)
    until("the client is let in again", lambda: is_served(ends.port), 20)


def test_a_carrier_says_which_core_is_at_its_other_end(workers: Workers, target: Target) -> None:
    port, carrier_port = free_port(), free_port()
    document = documents.portal([documents.door("web", port, target.port)], carrier_port)
    workers.processes.run_document("portal", program("v2ray"), document).await_port(carrier_port)
    bridge = workers.run("bridge", documents.bridge(carrier_port))
    until("the target answers through the tunnel", lambda: is_served(port), 20)

    def known() -> documents.Json | None:
        """The carrier, once it is known who made it."""
        carriers = bridge.state.get("bridges", {}).get("bridge", {}).get("carriers", {})
        return next((one for one in carriers.values() if "dialect" in one), None)

    carrier = bridge.await_("the carrier shows", known)
    assert carrier is not None
    assert carrier["dialect"] == "reverse.internal.v2ray.com"
    assert carrier["core"] == "V2Ray up to 4.34"
    assert carrier["extension"] == 0


def test_an_agent_that_does_not_read_gets_the_newest_state_and_holds_nobody_up(workers: Workers, target: Target) -> None:
    port = free_port()
    document = documents.proxy([documents.door("web", port, target.port)], [{"tag": "out", "protocol": "freedom"}])
    document["inbounds"] += [
        documents.door(f"spare-{number}", free_port(), target.port) for number in range(100)]
    agent = workers.run("one", document)
    process = workers.processes.started[0]
    before = process.rss_bytes
    for number in range(20_000):
        agent.send(Ask(id=1000 + number, what="explain", arguments={"destination": "example.org:80", "inbound": "web"}))
    with ask(port, b"ECHO\n") as sock:
        began = time.monotonic()
        while time.monotonic() - began < 4:             # states that nobody reads would be four
            sock.sendall(b"x" * 1000)
            assert read_exactly(sock, 1000) == b"x" * 1000
        states, began = len(agent.states), time.monotonic()
        agent.await_("every question is answered", lambda: len(agent.done) >= 20_000, 60)
        agent.await_("and the state is that of now", lambda: agent.state["inbounds"]["web"]["up"] > 100_000)
        assert len(agent.states) - states <= 2 + time.monotonic() - began       # while it reads, one more a second
    assert process.rss_bytes - before < 64 << 20


def test_connections_that_inbounds_of_before_accepted_still_count(workers: Workers, target: Target) -> None:
    first, second = free_port(), free_port()
    document = documents.proxy(
        [documents.door("first", first, target.port), documents.door("second", second, target.port)],
        [{"tag": "out", "protocol": "freedom"}])
    agent = workers.run("one", document)
    for port in (first, first, second):
        assert is_served(port)
    agent.await_("three are counted", lambda: agent.state.get("connections") == 3)
    without = json.loads(json.dumps(document))
    del without["inbounds"][0]
    assert agent.run(without).problems == []
    agent.await_("the inbound has gone", lambda: "first" not in agent.state["inbounds"])
    assert agent.state["connections"] == 3
    assert agent.run(document).problems == []
    agent.await_("it is back, and counts on", lambda: agent.state["inbounds"].get("first", {}).get("accepted") == 2)
    assert agent.state["connections"] == 3


def test_a_folder_that_others_reach_into_is_refused(workers: Workers) -> None:
    os.chmod(workers.path("one").parent, 0o750)
    process = workers.start("one")
    assert process.wait(20) == 1
    assert "owner's alone" in process.log
