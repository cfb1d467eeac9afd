"""Worker processes over their sockets, as an agent drives them: state, sessions, blocks, hot apply, adoption, the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxycore.messages.worker import Stop
from tests.support import documents
from tests.support.processes import LOCALHOST, accepts, free_port, until
from tests.support.target import Target, ask, is_served, read_exactly, udp_echo
from tests.support.worker import Agent, Workers


@dataclass
class Pair:
    """A portal and a bridge, each in a worker."""

    portal: Agent
    bridge: Agent
    port: int
    udp_port: int
    refused_port: int
    refused_target: int
    carrier_port: int
    documents: dict[str, documents.Json]

    def sessions(self) -> int:
        """How many there are now, at both ends."""
        return sum(int(agent.ask("sessions", tunnel=kind, kind=kind).answer["total"]) for agent, kind in (
            (self.portal, "portal"), (self.bridge, "bridge")))


@pytest.fixture
def pair(workers: Workers, target: Target) -> Pair:
    port, udp_port, refused_port, refused_target, carrier_port = (free_port() for _ in range(5))
    doors = [
        documents.door("web", port, target.port), documents.door("udp", udp_port, target.udp_port, "udp"),
        documents.door("refused", refused_port, refused_target)]
    found = {"portal": documents.portal(doors, carrier_port), "bridge": documents.bridge(carrier_port)}
    portal = workers.run("portal", found["portal"])
    bridge = workers.run("bridge", found["bridge"])
    until("the target answers through the tunnel", lambda: is_served(port), 20)
    found_pair = Pair(portal, bridge, port, udp_port, refused_port, refused_target, carrier_port, found)
    until("those sessions are over", lambda: not found_pair.sessions(), 20)
    return found_pair


def one(states: documents.Json) -> documents.Json:
    """The only value."""
    (found,) = states.values()
    return dict(found)


def is_over(sock: socket.socket) -> bool:
    """The other side has ended it."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_state_shows_what_passes_on_both_sides(pair: Pair) -> None:
    with ask(pair.port, b"GET 100000\n") as sock:
        assert len(read_exactly(sock, 100_000)) == 100_000
    with ask(pair.port, b"ECHO\nhello") as sock:
        assert read_exactly(sock, 5) == b"hello"
        pair.portal.await_("the session shows", lambda: pair.portal.state.get("sessions") == 1)
        pair.bridge.await_("it shows at the bridge", lambda: pair.bridge.state.get("sessions") == 1)
        pair.portal.await_("its round trip is known", lambda: "rtt_ms" in one(pair.portal.state["portals"]["portal"]["carriers"]))
        pair.bridge.await_("that of the bridge, too", lambda: "rtt_ms" in one(pair.bridge.state["bridges"]["bridge"]["carriers"]))

        def told() -> tuple[int, int]:
            """What went up, as each end told last."""
            for agent in (pair.portal, pair.bridge):
                agent.listen(0.05)
            return pair.portal.state["portals"]["portal"]["up"], pair.bridge.state["bridges"]["bridge"]["up"]

        ups = until("both have told all of it", lambda: (found := told())[0] == found[1] > 10 and found, 20)
        portal, bridge = pair.portal.state["portals"]["portal"], pair.bridge.state["bridges"]["bridge"]
        assert portal["domain"] == bridge["domain"] == documents.DOMAIN
        assert portal["down"] >= 100_000 <= bridge["down"]
        assert (portal["up"], bridge["up"]) == ups
        assert portal["opened"] >= 3
        assert bridge["via"] == "interconn"
        assert bridge["failures"] == 0
        carrier, other = one(portal["carriers"]), one(bridge["carriers"])
        assert carrier["user"] == "alice@example.org"
        assert carrier["health"] == other["health"] == "active"
        assert carrier["sessions"] == other["sessions"] == 1
        assert carrier["rtt_ms"] > 0 < other["rtt_ms"]
        assert carrier["loss"] == 0
        assert carrier["peer"].startswith(f"{LOCALHOST}:")
        assert other["peer"] == f"{LOCALHOST}:{pair.carrier_port}"
        assert carrier["down"] > 100_000 < other["down"]
        assert abs(carrier["since"] - time.time()) < 60
        web = pair.portal.state["inbounds"]["web"]
        assert web == {
            "protocol": "dokodemo-door", "listen": [f"{LOCALHOST}:{pair.port}/tcp"], "open": 1, "accepted": web["accepted"],
            "up": portal["up"], "down": portal["down"]}
        assert pair.portal.state["inbounds"]["interconn"]["open"] == 1
        assert pair.bridge.state["outbounds"]["out"]["down"] >= 100_000
        assert pair.portal.state["users"]["alice@example.org"]["online"] == 1
    pair.portal.await_("the session goes", lambda: pair.portal.state["sessions"] == 0)


def test_while_nothing_happens_nothing_is_said(pair: Pair) -> None:
    pair.portal.await_("the sessions go", lambda: pair.portal.state.get("sessions") == 0)
    until_s = time.monotonic() + 4
    sizes = []
    while time.monotonic() < until_s:
        before = len(pair.portal.states)
        pair.portal.listen(0.2)
        sizes += [len(one.model_dump_json()) for one in pair.portal.states[before:]]
    assert len(sizes) <= 5
    assert all(size < 600 for size in sizes), "patches, not trees"


def test_sessions_are_listed_and_one_is_closed(pair: Pair) -> None:
    with ask(pair.port, b"ECHO\nfirst") as first, ask(pair.port, b"ECHO\nsecond") as second:
        assert read_exactly(first, 5) == b"first"
        assert read_exactly(second, 6) == b"second"
        answer = pair.portal.ask("sessions", tunnel="portal", kind="portal").answer
        assert answer["total"] == 2
        by_source = {session["source"]: session for session in answer["sessions"]}
        mine = by_source["{}:{}".format(*first.getsockname())]
        assert mine["inbound"] == "web"
        assert mine["target"].startswith(LOCALHOST)
        assert mine["target"].endswith("/tcp")
        assert (mine["phase"], mine["up"], mine["down"]) == ("active", 10, 5)
        assert abs(mine["since"] - time.time()) < 30
        bridged = pair.bridge.ask("sessions", tunnel="bridge", kind="bridge").answer
        assert bridged["total"] == 2
        assert {session["target"] for session in bridged["sessions"]} == {mine["target"]}
        assert pair.portal.ask("close", ids=[mine["id"]]).answer == {"closed": 1}
        assert is_over(first)
        pair.portal.await_event("closed_by_hand")
        assert pair.portal.ask("close", ids=[mine["id"], "7/1/2", "x"]).answer == {"closed": 0}, "it was closed already"
        second.sendall(b"x")
        assert read_exactly(second, 1) == b"x"
        pair.bridge.await_("the bridge has ended its side", lambda: pair.bridge.state["sessions"] == 1)
        assert pair.portal.ask("close", tunnel="portal", source=LOCALHOST).answer == {"closed": 1}
        assert is_over(second)
    assert pair.portal.ask("sessions", tunnel="portal", kind="portal").answer == {"sessions": [], "total": 0}


def test_a_session_is_closed_at_the_bridge(pair: Pair) -> None:
    with ask(pair.port, b"ECHO\nx") as sock:
        assert read_exactly(sock, 1) == b"x"
        (session,) = pair.bridge.ask("sessions", tunnel="bridge", kind="bridge").answer["sessions"]
        assert pair.bridge.ask("close", ids=[session["id"]]).answer == {"closed": 1}
        assert is_over(sock)


def test_a_flow_of_datagrams_is_a_session_too(pair: Pair) -> None:
    assert udp_echo(pair.udp_port, b"ping") == b"ping"
    answer = pair.portal.ask("sessions", tunnel="portal", kind="portal").answer
    flows = [session for session in answer["sessions"] if session["target"].endswith("/udp")]
    assert flows
    assert flows[0]["inbound"] == "udp"
    assert pair.portal.ask("close", ids=[flow["id"] for flow in flows]).answer == {"closed": len(flows)}


def test_a_blocked_source_is_refused_and_counted(pair: Pair) -> None:
    with ask(pair.port, b"ECHO\nx") as sock:
        assert read_exactly(sock, 1) == b"x"
        assert pair.portal.ask("block", source=LOCALHOST, seconds=600).answer["closed"] >= 1
        assert is_over(sock)
    assert not is_served(pair.port)
    pair.portal.await_("it is counted", lambda: pair.portal.state["refusals"].get("blocked", 0) >= 1)
    assert pair.portal.state["blocked"][LOCALHOST] == pytest.approx(time.time() + 600, abs=30)
    pair.portal.await_event("blocked", source=LOCALHOST)
    pair.portal.await_event("tunnel_down", tag="portal")       # the bridge is on the same host
    assert pair.portal.ask("unblock", source=LOCALHOST).answer == {}
    until("the bridge is let in again", lambda: is_served(pair.port), 20)
    pair.portal.await_("nobody is blocked", lambda: not pair.portal.state.get("blocked"))
    assert pair.portal.ask("block", source="not an address", seconds=1).problems[0].text == '"not an address" is no IP address'


def test_a_block_ends_by_itself(workers: Workers, target: Target) -> None:
    port = free_port()
    agent = workers.run("one", documents.proxy(
        [documents.door("web", port, target.port)], [{"tag": "out", "protocol": "freedom"}]))
    agent.ask("block", source=LOCALHOST, seconds=2)
    assert not is_served(port)
    until("the source is let in again", lambda: is_served(port), 20)


def test_tunnels_tell_that_they_come_and_go_and_why(pair: Pair, workers: Workers) -> None:
    pair.portal.await_event("tunnel_up", tag="portal", source=LOCALHOST)
    pair.bridge.await_event("tunnel_up", tag="bridge")
    process = next(one for one in workers.processes.started if one.name == "portal")
    process.kill()
    gone = pair.bridge.await_event("tunnel_down", tag="bridge")
    assert gone.reason
    assert gone.seconds is not None
    pair.bridge.await_("it says when it tries again", lambda: pair.bridge.state["bridges"]["bridge"].get("failures", 0) > 0)
    state = pair.bridge.state["bridges"]["bridge"]
    assert "refused" in state["last_error"]
    assert state["carriers"] == {}
    assert abs(state["last_seen"] - time.time()) < 60
    pair.bridge.await_("the next attempt has a time", lambda: pair.bridge.state["bridges"]["bridge"].get("retry_at"))


def test_refusals_are_counted_by_reason(pair: Pair, workers: Workers) -> None:
    with contextlib.suppress(OSError), ask(pair.refused_port, b"x") as sock:
        is_over(sock)
    refused = pair.bridge.await_event("refused", reason="target_refused")
    assert str(pair.refused_target) in refused.text
    with ask(pair.carrier_port, b"\x00" * 64) as sock:
        pair.portal.await_event("refused", reason="unknown_user", source=LOCALHOST, tag="interconn")
        sock.close()
    other = documents.bridge(pair.carrier_port)
    other["reverse"]["bridges"][0]["domain"] = "other.example"
    other["routing"]["rules"][0]["domain"] = ["full:other.example"]
    workers.run("stranger", other)
    wrong = pair.portal.await_event("refused", reason="wrong_domain")
    assert "other.example" in wrong.text
    counts = pair.portal.await_("they are counted", lambda: {"unknown_user", "wrong_domain"} <= set(
        pair.portal.state["refusals"]) and pair.portal.state["refusals"])
    assert all(count >= 1 for count in counts.values())


def test_without_a_bridge_clients_are_counted(workers: Workers, target: Target) -> None:
    port = free_port()
    portal = workers.run("portal", documents.portal([documents.door("web", port, target.port)], free_port()))
    with ask(port, b"GET 10\n") as sock:
        portal.await_("it waits", lambda: portal.state.get("portals", {}).get("portal", {}).get("waiting") == 1)
        assert is_over(sock)
    portal.await_event("refused", reason="no_carrier", tag="portal", source=LOCALHOST)


def test_another_document_takes_its_place(pair: Pair, target: Target) -> None:
    extra = free_port()
    changed = json.loads(json.dumps(pair.documents["portal"]))
    changed["inbounds"].append(documents.door("extra", extra, target.port))
    changed["routing"]["rules"][0]["inboundTag"].append("extra")
    with ask(pair.port, b"ECHO\nx") as sock:
        assert read_exactly(sock, 1) == b"x"
        done = pair.portal.run(changed)
        assert done.problems == []
        assert "inbounds added: extra" in done.changes
        sock.sendall(b"y")
        assert read_exactly(sock, 1) == b"y"
        assert is_served(extra)
        pair.portal.await_("the tree has it", lambda: "extra" in pair.portal.state["inbounds"])
        assert pair.portal.run(pair.documents["portal"]).changes
        sock.sendall(b"z")
        assert read_exactly(sock, 1) == b"z"
    assert not accepts(extra)
    pair.portal.await_("the tree has it no more", lambda: "extra" not in pair.portal.state["inbounds"])


def test_what_cannot_be_applied_changes_nothing_and_names_its_place(pair: Pair, target: Target) -> None:
    changed = json.loads(json.dumps(pair.documents["portal"]))
    changed["inbounds"][0]["port"] = "no port"
    done = pair.portal.run(json.dumps(changed, indent=2))
    lines = json.dumps(changed, indent=2).splitlines()
    (problem,) = done.problems
    assert problem.path == "inbounds[0].port"
    assert "no port" in lines[problem.line - 1]
    assert lines[problem.line - 1][problem.column - 1 :].startswith('"no port"')
    with socket.socket() as taken:
        taken.bind((LOCALHOST, 0))
        taken.listen()
        changed = json.loads(json.dumps(pair.documents["portal"]))
        changed["inbounds"].append(documents.door("second", taken.getsockname()[1], target.port))
        done = pair.portal.run(changed)
    assert [problem.path for problem in done.problems] == [f"inbounds[{len(changed['inbounds']) - 1}].port"]
    assert "taken" in done.problems[0].text
    assert is_served(pair.port)
    done = pair.portal.run('{"inbounds": [')
    assert done.problems[0].line == 1


def test_a_first_document_that_is_wrong_ends_the_worker(workers: Workers) -> None:
    process = workers.start("one")
    agent = workers.connect("one")
    done = agent.run({"inbounds": [{"port": 1, "protocol": "nothing"}]})
    assert done.problems[0].path == "inbounds[0].protocol"
    assert process.wait(20) == 23
    assert not workers.path("one").exists()


def test_a_first_document_that_cannot_be_run_here_ends_the_worker(workers: Workers, target: Target) -> None:
    process = workers.start("one")
    agent = workers.connect("one")
    done = agent.run(documents.proxy([documents.door("web", target.port, 1)], [{"tag": "out", "protocol": "freedom"}]))
    assert "already taken" in done.problems[0].text
    assert done.problems[0].path == "inbounds[0].port"
    assert process.wait(20) == 1


def test_the_next_agent_finds_the_worker_and_takes_it_over(pair: Pair, workers: Workers) -> None:
    first = pair.portal.hello
    assert (first.name, first.document_sha256) == ("", ""), "nothing ran yet"
    with ask(pair.port, b"ECHO\nx") as sock:
        assert read_exactly(sock, 1) == b"x"
        second = workers.connect("portal")
        assert second.hello.pid == first.pid
        assert second.hello.name == "portal #1"
        assert len(second.hello.document_sha256) == 64
        second.await_("the whole state comes", lambda: second.states and second.states[0].is_full)
        assert second.state["sessions"] == 1
        assert second.state["portals"]["portal"]["carriers"]
        pair.portal.listen(2)
        while not pair.portal.is_closed:
            pair.portal.listen(2)
        assert second.ask("sessions", tunnel="portal", kind="portal").answer["total"] == 1
        sock.sendall(b"y")
        assert read_exactly(sock, 1) == b"y"


def test_events_wait_for_the_next_agent(pair: Pair, workers: Workers) -> None:
    pair.portal.leave()
    next(one for one in workers.processes.started if one.name == "bridge").kill()
    time.sleep(0.5)         # the agent is away meanwhile
    workers.connect("portal").await_event("tunnel_down", tag="portal")


def test_the_socket_is_its_owners_alone(workers: Workers) -> None:
    workers.start("one")
    workers.connect("one")
    assert os.stat(workers.path("one")).st_mode & 0o777 == 0o600


def test_two_workers_never_share_a_socket(workers: Workers) -> None:
    workers.start("one")
    workers.connect("one")
    second = workers.start("one")
    assert second.wait(20) == 1
    assert workers.connect("one").hello.pid


def test_a_socket_that_a_killed_worker_left_is_replaced(workers: Workers) -> None:
    first = workers.start("one")
    workers.connect("one")
    first.kill()
    assert workers.path("one").exists()
    second = workers.start("one")
    assert workers.connect("one").hello.pid == second.pid


def test_without_an_agent_a_worker_stops_itself(workers: Workers, target: Target) -> None:
    port = free_port()
    process = workers.start("one", "--orphan-s", "1")
    agent = workers.connect("one")
    assert agent.run(documents.proxy(
        [documents.door("web", port, target.port)], [{"tag": "out", "protocol": "freedom"}])).problems == []
    time.sleep(1.5)
    assert process.exit_code is None, "its agent is there"
    agent.close()
    assert process.wait(20) == 0
    assert not workers.path("one").exists()


@pytest.mark.parametrize("how", ["message", "signal"])
def test_stopping_lets_connections_go_on_for_a_while(how: str, workers: Workers, target: Target) -> None:
    port = free_port()
    process = workers.start("one")
    agent = workers.connect("one")
    agent.run(documents.proxy([documents.door("web", port, target.port)], [{"tag": "out", "protocol": "freedom"}]))
    with ask(port, b"ECHO\nx") as sock:
        assert read_exactly(sock, 1) == b"x"
        if how == "message":
            agent.send(Stop(drain_s=20))
        else:
            process.send_signal(signal.SIGTERM)
        until("it accepts nobody", lambda: not accepts(port), 15)
        sock.sendall(b"y")
        assert read_exactly(sock, 1) == b"y"
    assert process.wait(20) == 0


def test_what_is_no_message_harms_nothing(pair: Pair) -> None:
    for body in (b"", b"{", b'{"type": "of tomorrow"}', b'{"type": "ask"}', b"[1]", b'{"type": "run", "id": "x"}', b"\xff"):
        pair.portal.send_raw(len(body).to_bytes(4, "big") + body)
    assert pair.portal.ask("what is the weather").problems[0].text.startswith('"what is the weather" is nothing')
    assert pair.portal.ask("sessions").problems[0].text.startswith("tunnel: ")
    assert pair.portal.ask("close").problems
    assert is_served(pair.port)
    pair.portal.send_raw(b"\xff\xff\xff\xff")
    while not pair.portal.is_closed:
        pair.portal.listen(1)
    assert is_served(pair.port)


def test_explain_is_asked_of_what_runs(pair: Pair) -> None:
    steps = pair.portal.ask("explain", inbound="web", destination="example.org:80/tcp").answer["steps"]
    assert steps[-1]["matched"] is True
    assert "portal" in steps[-1]["label"] + steps[-1]["why"]
    [carrier] = pair.portal.ask("explain", inbound="web", destination="example.org:80/tcp").answer["carriers"]
    assert carrier["is_chosen"] is True
    assert "sessions" in carrier["why"]
    assert pair.portal.ask("explain", inbound="web", destination="nowhere").problems


def test_diagnose_is_asked_of_either_end(pair: Pair) -> None:
    for agent, kind in ((pair.portal, "portal"), (pair.bridge, "bridge")):
        steps = agent.ask("diagnose", tunnel=kind, kind=kind, target=f"{LOCALHOST}:{pair.refused_target}").answer["steps"]
        assert len(steps) >= 3
        failed = [step for step in steps if step["outcome"] == "failed"]
        assert bool(failed) == (kind == "bridge"), "only the bridge knows of the target"
    assert pair.portal.ask("diagnose", tunnel="none", kind="portal").problems


def test_log_lines_come_to_the_agent(pair: Pair) -> None:
    pair.bridge.await_("a line about the carrier", lambda: [
        text for _, level, text in pair.bridge.lines if level == "info" and text.startswith("bridge: bridge bridge: connected")])


def test_a_worker_is_small(pair: Pair, workers: Workers) -> None:
    for process in workers.processes.started:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        (own_kib,) = (int(line.split()[1]) for line in rollup if line.startswith("Anonymous:"))
        assert own_kib < 40 << 10
