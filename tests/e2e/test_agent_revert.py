"""A published revision that does not stand is taken back by the node itself, with or without the panel."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from proxycore.messages.link import Close
from proxycore.messages.worker import PausedTunnel
from tests.e2e.test_agent import Nodes, node, nodes, panel  # noqa: F401 - fixtures
from tests.support.agents_panel import Panel, wanted
from tests.support.node import Node
from tests.support.processes import until

GOOD = {"portals": {"home": 1, "idle": 0}}


@pytest.fixture
def running(panel: Panel, node: Node) -> int:  # noqa: F811
    """Revision 1 runs, with its tunnel up; the worker's process id."""
    panel.wanted = [wanted(1, 1, GOOD)]
    node.start()
    node.await_running(1)
    return int(panel.await_worker(1, "the tunnel is up", is_home)["pid"])


def is_home(state: dict[str, Any]) -> bool:
    """Whether a WorkerState has the tunnel, up."""
    return bool(state.get("portals", {}).get("home", {}).get("carriers"))


def try_revision(panel: Panel, document: dict[str, Any], revision: int = 2, **more: Any) -> None:  # noqa: F811
    panel.want(wanted(1, revision, document, **more))
    applied = panel.await_said("applied", lambda one: one.revision == revision)
    assert applied.problems == []


def test_a_revision_whose_tunnels_come_back_stands(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    try_revision(panel, {"portals": {"home": 2, "idle": 0}, "up_after_s": 1}, confirm_s=4)
    state = panel.await_worker(1, "it is on trial", lambda state: "pending" in state)
    assert (state["revision"], state["pending"]) == (2, 2)
    assert panel.await_event("confirmed").instance == 1
    state = panel.await_worker(1, "it is not on trial", lambda state: "pending" not in state)
    assert (state["revision"], state["pid"]) == (2, running)
    assert not [one for one in panel.said if one.type == "reverted"]


def test_a_tunnel_that_does_not_come_back_brings_the_revision_before(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    paused = PausedTunnel(kind="portal", tunnel="idle")
    try_revision(panel, {"portals": {"home": 0, "idle": 0}}, confirm_s=2.5, paused=[paused])
    reverted = panel.await_said("reverted")
    assert (reverted.instance, reverted.revision, reverted.back_to) == (1, 2, 1)
    assert reverted.reason == "portal home did not come back within 2 s"
    state = panel.await_worker(1, "revision 1 runs", lambda state: state["revision"] == 1)
    assert (state["pid"], state["wanted"]) == (running, 2)
    panel.await_worker(1, "its tunnel is up", is_home)
    assert panel.ask(1, "sessions").answer["paused"] == [paused.model_dump()]
    assert "did not come back" in panel.await_event("reverted").text

    panel.said.clear()
    panel.want(*panel.wanted)           # a panel that has not heard
    assert panel.await_said("reverted").reason == reverted.reason
    assert panel.worker(1)["revision"] == 1


def test_a_tunnel_that_came_up_just_before_has_to_come_back(panel: Panel, node: Node) -> None:  # noqa: F811
    panel.wanted = [wanted(1, 1, {"portals": {"home": 1}, "quiet": True})]
    node.start()
    node.await_running(1)
    try_revision(panel, {"portals": {"home": 0}}, confirm_s=2)
    assert panel.await_said("reverted").reason == "portal home did not come back within 2 s"


def test_a_tunnel_that_is_not_in_the_new_document_need_not_come_back(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    try_revision(panel, {"portals": {"other": 0}}, confirm_s=2)
    panel.await_event("confirmed")


def test_a_worker_that_dies_brings_the_revision_before(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    try_revision(panel, {**GOOD, "die_after_s": 1}, confirm_s=30)
    reverted = panel.await_said("reverted")
    assert (reverted.revision, reverted.back_to) == (2, 1)
    assert reverted.reason == "its worker died: it ended with exit code 7: last words"
    node.await_worker_other_than(1, running)
    panel.await_worker(1, "revision 1 runs", lambda state: state.get("revision") == 1)


def test_nobody_confirms(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    try_revision(panel, {**GOOD, "new": 1}, confirm_s=2, needs_confirm=True)
    assert panel.await_said("reverted").reason == "nobody confirmed it within 2 s"
    assert node.await_running(1) == running


def test_a_confirmation_ends_the_trial(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    try_revision(panel, {**GOOD, "new": 1}, confirm_s=600, needs_confirm=True)
    panel.confirm(1, 1)
    panel.confirm(1, 2)
    assert "revision 2 stands" in panel.await_event("confirmed").text


def test_without_the_panel_it_is_taken_back_as_well(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    try_revision(panel, {**GOOD, "new": 1}, confirm_s=3, needs_confirm=True)
    panel.stop()
    until("it is taken back", lambda: "nobody confirmed it within 3 s" in node.process.log, 30)
    assert node.worker_pids == [running]


@pytest.mark.parametrize("panel_is_away", [False, True], ids=["panel there", "panel away"])
def test_a_trial_goes_on_in_the_next_agent(panel: Panel, node: Node, running: int, panel_is_away: bool) -> None:  # noqa: F811
    try_revision(panel, {**GOOD, "new": 1}, confirm_s=6, needs_confirm=True)
    node.kill()
    if panel_is_away:
        panel.stop()
    node.start()
    until("it is taken back", lambda: "nobody confirmed it within 6 s" in node.process.log, 30)
    assert node.worker_pids == [running]


def test_a_trial_begins_though_the_agent_ends_while_the_revision_is_applied(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    document = {"portals": {**GOOD["portals"], "new": 0}, "done_after_s": 60}
    panel.want(wanted(1, 2, document, confirm_s=4, needs_confirm=True))
    state = panel.await_worker(1, "the worker has it", lambda state: "new" in state.get("portals", {}))
    assert "pending" not in state
    assert '"revision":2' in (node.state_dir / "documents/1.json").read_text()
    node.kill()
    panel.stop()
    node.start()
    until("it is taken back", lambda: "nobody confirmed it within 4 s" in node.process.log, 30)
    assert node.worker_pids == [running]


def test_a_revision_that_the_worker_never_got_is_no_trial_that_failed(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    os.kill(running, signal.SIGSTOP)
    panel.want(wanted(1, 2, GOOD | {"new": 1}, confirm_s=60, needs_confirm=True))
    record = node.state_dir / "documents/1.json"
    until("it is given to the worker", lambda: '"revision":2' in record.read_text(), 20)
    node.kill()
    os.kill(running, signal.SIGKILL)
    panel.said.clear()
    node.start()
    assert panel.await_said("applied", lambda one: one.revision == 2).problems == []
    assert not [one for one in panel.said if one.type == "reverted"]


def test_a_worker_that_ends_on_trial_while_the_agent_is_away(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    try_revision(panel, {**GOOD, "new": 1}, confirm_s=60, needs_confirm=True)
    node.kill()
    os.kill(running, signal.SIGKILL)
    node.start()
    assert panel.await_said("reverted").reason == "its worker ended while the agent was away"
    assert panel.await_phase(1, "running")["revision"] == 1


def test_the_panel_goes_back_itself(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    try_revision(panel, {"portals": {"home": 0, "idle": 0}}, confirm_s=60)
    panel.want(wanted(1, 3, GOOD))
    panel.await_said("applied", lambda one: one.revision == 3)
    state = panel.await_worker(1, "it is seen", lambda state: state["revision"] == 3)
    assert "pending" not in state
    assert not [one for one in panel.said if one.type == "reverted"]


def test_a_newer_revision_takes_the_place_of_one_on_trial(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    try_revision(panel, {"portals": {"home": 0, "idle": 0}}, confirm_s=60)
    try_revision(panel, {"portals": {"home": 0, "idle": 0}, "new": 1}, 3, confirm_s=2)
    reverted = panel.await_said("reverted")
    assert (reverted.revision, reverted.back_to) == (3, 1)      # home was up before the first of them


def test_the_first_revision_is_not_on_trial(panel: Panel, node: Node) -> None:  # noqa: F811
    panel.wanted = [wanted(1, 1, GOOD, confirm_s=60, needs_confirm=True)]
    node.start()
    assert panel.await_said("applied").problems == []
    assert "pending" not in panel.await_phase(1, "running")


@pytest.mark.parametrize("is_applying", [False, True], ids=["paused before", "paused meanwhile"])
def test_what_is_published_around_a_pause_and_cannot_be_run_leaves_what_ran(
    panel: Panel, node: Node, running: int, is_applying: bool  # noqa: F811
) -> None:
    (node.state_dir / "paused.new").mkdir()         # that it is paused cannot be written down: it is obeyed all the same
    refused = {"refuse": "the port is taken", "done_after_s": 5}
    if is_applying:
        panel.want(wanted(1, 2, refused))
        until("it is given to the worker", lambda: '"revision":2' in (node.state_dir / "documents/1.json").read_text(), 20)
    panel.close_code = Close.PAUSED
    panel.close(Close.PAUSED)
    until("its worker ends", lambda: not node.worker_pids, 20)
    panel.wanted = [wanted(1, 2, refused | {"done_after_s": 0})]
    panel.close_code = None
    assert panel.await_said("applied", lambda one: one.revision == 2).problems[0].text == "the port is taken"
    state = panel.await_phase(1, "running")
    assert (state["revision"], state["wanted"]) == (1, 2)


def test_a_pause_does_not_decide_a_trial(panel: Panel, node: Node, running: int) -> None:  # noqa: F811
    try_revision(panel, {**GOOD, "new": 1}, confirm_s=4)
    panel.close_code = Close.PAUSED
    panel.close(Close.PAUSED)
    until("its worker ends", lambda: not node.worker_pids, 20)
    node.kill()
    node.start()
    until("it says so again", lambda: node.process.log.count("paused this node") >= 2, 20)
    node.process.end()
    assert "did not stand" not in node.process.log
    panel.close_code = None
    node.start()
    assert panel.await_event("confirmed").instance == 1
    assert panel.await_phase(1, "running")["revision"] == 2
