"""The agent as a process under a test's panel, with workers that move nothing: starts, ends, kills, and what it keeps."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator

import pytest

from proxycore.messages.link import Close
from tests.support.agents_panel import IDENTITY, TOKEN, Panel, wanted
from tests.support.node import AGENT, Node, command_line
from tests.support.processes import ROOT, Processes, free_port, until

Nodes = Callable[..., Node]


@pytest.fixture
def panel() -> Iterator[Panel]:
    panel = Panel().start()
    yield panel
    panel.stop()


@pytest.fixture
def nodes(processes: Processes, panel: Panel) -> Iterator[Nodes]:
    """Makes nodes under the panel, and ends them with their workers."""
    made: list[Node] = []

    def make(name: str = "node", under: Panel = panel, workers: str | None = None) -> Node:
        made.append(Node(processes, under, name) if workers is None else Node(processes, under, name, workers))
        return made[-1]

    yield make
    for node in made:
        node.end()


@pytest.fixture
def node(nodes: Nodes) -> Node:
    return nodes()


def test_a_token_becomes_an_identity_once_and_what_is_wanted_runs(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 7, {"portals": {"home": 1}})]
    node.start("--name", "attic")
    pid = node.await_running(1)
    assert panel.joined == [{"token": TOKEN, "name": "attic", "version": panel.hellos[0].version}]
    applied = panel.await_said("applied")
    assert (applied.instance, applied.revision, applied.problems) == (1, 7, [])
    state = panel.await_worker(1, "the portal is seen", lambda state: "portals" in state)
    assert state["portals"]["home"]["carriers"]
    assert (state["revision"], state["restarts"]) == (7, 0)
    assert os.getsid(pid) == pid != os.getsid(node.process.pid)

    node.token_file.unlink()
    assert node.processes.started
    node.process.end()
    node.start(panel=panel.url)
    node.await_running(1)
    assert len(panel.joined) == 1


def test_all_that_it_keeps_is_private(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {"secret": "s3cret"})]
    node.start()
    pid = node.await_running(1)
    commands = command_line(node.process.pid), command_line(pid)
    assert all(commands)
    assert TOKEN not in commands[0]
    assert "s3cret" not in commands[1]
    node.kill()                                     # while it writes, there are files that are gone when one looks at them
    for path in (node.state_dir, *node.state_dir.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert IDENTITY not in node.process.log
    assert TOKEN not in node.process.log


def test_a_killed_worker_is_started_again(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {"portals": {"home": 1}})]
    node.start()
    pid = node.await_running(1)
    panel.await_worker(1, "its tunnel is seen", lambda state: state.get("portals"))
    os.kill(pid, signal.SIGKILL)
    node.await_worker_other_than(1, pid)
    assert "SIGKILL" in panel.await_event("worker_died").text
    down = panel.await_event("tunnel_down")
    assert (down.tag, down.reason) == ("home", "worker_died")
    assert panel.worker(1)["restarts"] == 1


def test_a_killed_agent_finds_its_workers_again(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(n, 1, {"outbounds": {"out": 1000}}) for n in (1, 2, 3)]
    node.start()
    pids = [node.await_running(n) for n in (1, 2, 3)]
    node.kill()
    node.start()
    assert [node.await_running(n) for n in (1, 2, 3)] == pids
    assert sorted(node.worker_pids) == sorted(pids)


def test_workers_of_instances_that_nobody_knows_are_ended(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {}), wanted(2, 1, {})]
    node.start()
    first, second = node.await_running(1), node.await_running(2)
    node.kill()
    (node.state_dir / "documents/2.json").unlink()
    panel.wanted = panel.wanted[:1]
    node.start()
    until("the second ends", lambda: node.worker_pids == [first], 20)
    assert second != first


def test_a_worker_that_hangs_while_no_agent_looks_is_replaced(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    pid = node.await_running(1)
    node.kill()
    os.kill(pid, signal.SIGSTOP)
    node.start()
    node.await_worker_other_than(1, pid)
    assert len(node.worker_pids) == 1


def test_it_serves_without_the_panel(nodes: Nodes, processes: Processes) -> None:
    port = free_port()
    panel = Panel(port=port).start()
    node = nodes(under=panel)
    panel.wanted = [wanted(1, 3, {"portals": {"home": 1}})]
    node.start()
    node.await_running(1)
    node.process.end()
    assert node.worker_pids == []
    panel.stop()

    node.start(panel=f"http://127.0.0.1:{port}")
    until("a worker runs", lambda: node.worker_pids, 20)
    until("it says what is wrong", lambda: "cannot be reached" in node.process.log, 20)
    again = Panel(port=port)
    again.wanted = panel.wanted             # before the agent can connect
    again.start()
    try:
        node.panel = again
        pid = node.await_running(1)
        assert [(one.instance, one.revision) for one in again.hellos[0].running] == [(1, 3)]
        assert node.worker_pids == [pid]
    finally:
        again.stop()


def test_two_agents_do_not_share_a_state_directory(panel: Panel, node: Node) -> None:
    node.start()
    until("it is connected", lambda: panel.is_connected, 20)
    second = subprocess.run(
        [*AGENT, "--panel", panel.url, "--state-dir", str(node.state_dir)], cwd=ROOT, capture_output=True, text=True, timeout=30,
        check=False)
    assert second.returncode == 1
    assert second.stderr == f"--state-dir: another agent (pid {node.process.pid}) has {node.state_dir}\n"


def test_what_is_not_wanted_any_more_is_stopped_and_forgotten(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {"secret": 1}), wanted(2, 1, {})]
    node.start()
    node.await_running(1)
    second = node.await_running(2)
    panel.want(panel.wanted[1])
    until("its worker ends", lambda: node.worker_pids == [second], 20)
    until("it is out of the tree", lambda: list(panel.tree["workers"]) == ["2"], 20)
    assert {path.name.split("-")[0].split(".")[0] for path in (node.state_dir / "documents").iterdir()} == {"2"}


def test_a_crash_loop_is_stopped_and_a_restart_ends_it(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {"die_after_s": 0})]
    node.start()
    state = panel.await_phase(1, "crash_loop", 40)
    assert state["last_exit"] == "it ended with exit code 7: last words"
    assert "last words" in panel.await_event("crash_loop").text
    deaths = sum(one.kind == "worker_died" for one in panel.events)
    assert deaths == 5
    assert node.worker_pids == []
    assert [line for _, level, line in panel.ask(1, "log", lines=2000).answer["lines"] if level == "output"] == ["last words"] * 5
    panel.ask(1, "restart")
    until("it is tried again", lambda: sum(one.kind == "worker_died" for one in panel.events) > deaths, 20)


def test_a_document_that_cannot_be_run_is_told_and_not_tried_again(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {"refuse": "no such port"})]
    node.start()
    state = panel.await_phase(1, "refused")
    assert state["problem"] == {"text": "no such port", "path": "refuse", "line": 1}
    assert panel.await_said("applied").problems[0].text == "no such port"
    panel.want(wanted(1, 2, {}))
    node.await_running(1)
    assert panel.await_said("applied", lambda one: one.revision == 2).problems == []
    assert "problem" not in panel.await_worker(1, "state is new", lambda state: state.get("revision") == 2)


def test_a_port_that_is_taken_is_tried_again(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {"refuse": "the port is taken", "code": 1})]
    node.start()
    assert panel.await_said("applied").problems[0].text == "the port is taken"
    state = panel.await_worker(1, "it is tried again", lambda state: state.get("restarts", 0) >= 2)
    assert state["problem"]["text"] == "the port is taken"


def test_what_cannot_be_applied_changes_nothing(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {"portals": {"home": 1}})]
    node.start()
    pid = node.await_running(1)
    panel.want(wanted(1, 2, {"refuse": "the port is taken"}))
    applied = panel.await_said("applied", lambda one: one.revision == 2)
    assert applied.problems[0].text == "the port is taken"
    state = panel.await_worker(1, "it is seen", lambda state: {"wanted", "problem"} <= state.keys())    # one after the other
    assert (state["pid"], state["revision"], state["wanted"], state["phase"]) == (pid, 1, 2, "running")
    assert state["problem"]["text"] == "the port is taken"
    node.kill()
    panel.wanted = []
    assert json.loads((node.state_dir / "documents/1.json").read_text())["good"]["revision"] == 1


def test_a_revoked_node_stops_and_forgets_all(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {"secret": 1})]
    node.start()
    node.await_running(1)
    panel.close_code = Close.REVOKED
    panel.close(Close.REVOKED)
    assert node.process.wait(30) == 4
    assert node.worker_pids == []
    assert {path.name for path in node.state_dir.iterdir()} == {"lock"}


def test_a_paused_node_stops_also_after_a_restart(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    node.await_running(1)
    panel.close_code = Close.PAUSED
    panel.close(Close.PAUSED)
    until("its worker ends", lambda: not node.worker_pids, 20)
    node.kill()
    node.start()
    until("it says so", lambda: node.process.log.count("paused this node") >= 2, 20)
    assert node.worker_pids == []
    node.kill()
    panel.close_code = None
    node.start()
    node.await_running(1)


@pytest.mark.parametrize(("code", "words"), [
    (Close.WAITING, "waits to be approved"), (Close.VERSION, "does not speak protocol 1"),
    (Close.REPLACED, "another agent uses this node's identity"),
])
def test_close_codes_are_said_plainly_and_workers_go_on(panel: Panel, node: Node, code: Close, words: str) -> None:
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    pid = node.await_running(1)
    panel.close_code = code
    panel.close(code)
    until("it says so", lambda: words in node.process.log, 20)
    assert node.worker_pids == [pid]
    assert node.process.exit_code is None


def test_a_waiting_node_comes_back_by_itself(panel: Panel, node: Node) -> None:
    panel.close_code = Close.WAITING
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    until("it waits", lambda: "waits to be approved" in node.process.log, 20)
    panel.close_code = None
    node.await_running(1)


def test_hangup_leaves_the_workers_for_the_next_agent(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    pid = node.await_running(1)
    node.process.send_signal(signal.SIGHUP)
    assert node.process.wait(20) == 0
    assert node.worker_pids == [pid]
    node.start()
    assert node.await_running(1) == pid


def test_the_panel_restarts(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(1, 1, {"outbounds": {"out": 10}})]
    node.start()
    pid = node.await_running(1)
    full = panel.full_states
    panel.close(1012)
    until("it is back", lambda: panel.full_states > full, 20)
    assert node.await_running(1) == pid


def test_ten_instances_and_how_much_the_agent_takes(panel: Panel, node: Node) -> None:
    panel.wanted = [wanted(n, 1, {"portals": {"home": 3}, "outbounds": {"out": 1000}}) for n in range(1, 11)]
    node.start()
    for n in range(1, 11):
        node.await_running(n, 40)
    assert len(node.worker_pids) == 10
    assert node.process.rss_bytes < 48 * 1024 * 1024


def test_events_that_the_panel_did_not_write_down_are_told_again(panel: Panel, node: Node) -> None:
    panel.is_keeping = False
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    node.await_running(1)
    (first,) = until("events were told", lambda: panel.told_events, 20)
    panel.is_keeping = True
    panel.close()
    until("they are told again", lambda: panel.told_events.count(first) == 2, 20)
    panel.await_event("applied")
    assert [one.kind for one in panel.events].count("worker_started") == 1
