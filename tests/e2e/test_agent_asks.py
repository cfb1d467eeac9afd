"""Questions through the agent, logs that somebody watches, and limits of users that outlive a worker."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from proxycore.messages.link import Ask
from proxycore.messages.worker import Limit, PausedTunnel
from tests.e2e.test_agent import Nodes, node, nodes, panel  # noqa: F401 - fixtures
from tests.support.agents_panel import Panel, wanted
from tests.support.node import Node
from tests.support.processes import until


def test_what_is_for_a_worker_is_passed_on(panel: Panel, node: Node) -> None:  # noqa: F811
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    node.await_running(1)
    answer = panel.ask(1, "block", source="198.51.100.7", seconds=60)
    assert answer.answer["arguments"] == {"source": "198.51.100.7", "seconds": 60}


@pytest.mark.parametrize(("instance", "what", "words"), [
    (9, "sessions", "does not have that instance"), (1, "dance", "does not know 'dance'"), (9, "restart", "does not have"),
    (0, "restart", "does not have"),
])
def test_what_cannot_be_answered_is_answered(panel: Panel, node: Node, instance: int, what: str, words: str) -> None:  # noqa: F811
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    node.await_running(1)
    (problem,) = panel.ask(instance, what).problems
    assert words in problem.text


def test_a_worker_that_does_not_run_is_said(panel: Panel, node: Node) -> None:  # noqa: F811
    panel.wanted = [wanted(1, 1, {"refuse": "no"})]
    node.start()
    panel.await_phase(1, "refused")
    (problem,) = panel.ask(1, "sessions").problems
    assert problem.text == "its worker is not running"


def test_too_many_questions_at_once_are_refused_and_the_others_answered(panel: Panel, node: Node) -> None:  # noqa: F811
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    pid = node.await_running(1)
    os.kill(pid, signal.SIGSTOP)
    for number in range(40):
        panel.send(Ask(id=f"many{number}", instance=1, what="sessions"))
    def refused() -> int:
        return sum(1 for one in [*panel.answers.values()] if one.problems and "32 questions" in one.problems[0].text)

    until("those above the limit are refused", lambda: refused() == 8, 20)
    os.kill(pid, signal.SIGCONT)
    until("all are answered", lambda: len(panel.answers) == 40, 20)
    assert refused() == 8


def test_lines_are_kept_and_sent_while_somebody_watches(panel: Panel, node: Node) -> None:  # noqa: F811
    panel.wanted = [wanted(1, 1, {"log": "it goes on"})]
    node.start()
    node.await_running(1)
    until("lines", lambda: panel.ask(1, "log", lines=5).answer["lines"], 20)
    assert not [one for one in panel.said if one.type == "log"]
    assert panel.ask(1, "log", lines=50, level="error").answer["lines"] == []
    panel.ask(1, "watch_log", seconds=2)
    first = panel.await_said("log")
    assert first.instance == 1
    assert {text for _, _, text in first.lines} == {"it goes on"}

    def told() -> list[float]:
        """When the lines were logged that were sent."""
        return [at for one in panel.said if one.type == "log" for at, _, _ in one.lines]

    def is_over() -> bool:
        count = len(told())
        time.sleep(1.5)                     # five lines a second are logged
        return len(told()) == count

    until("no more lines are sent", is_over, 20)
    assert max(told()) - min(told()) < 3


def test_the_agents_own_log(panel: Panel, node: Node) -> None:  # noqa: F811
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    node.await_running(1)
    assert "revision 1 runs" in " ".join(text for _, _, text in panel.ask(0, "log", lines=100).answer["lines"])


def test_bytes_that_a_user_has_left_outlive_workers_and_agents(panel: Panel, node: Node) -> None:  # noqa: F811
    path, email = "inbounds[0].settings.clients[0]", "alice@example.org"
    limit = Limit(path=path, email=email, bytes_left=1_000_000)
    panel.wanted = [wanted(1, 1, {"users": {email: 1000}}, limits=[limit])]
    node.start()
    pid = node.await_running(1)

    def left() -> int:
        return int(panel.ask(1, "sessions").answer["limits"][0]["bytes_left"])

    assert left() == 1_000_000
    until("she moved some", lambda: panel.worker(1).get("users", {}).get(email, {}).get("up", 0) > 3000, 20)
    os.kill(pid, signal.SIGKILL)
    other = node.await_worker_other_than(1, pid)
    first = left()
    assert first <= 1_000_000 - 3000
    until("a report, with which it is written down", lambda: panel.moved(1, "user", email)[0] > 3000, 30)
    panel.stop()                                        # else it would say what is left now
    node.kill()
    os.kill(other, signal.SIGKILL)
    node.start()
    until("a worker without a panel", lambda: [pid for pid in node.worker_pids if pid != other], 20)
    (limit_left,) = json.loads((node.state_dir / "documents/1.json").read_text())["good"]["limits"]
    assert limit_left["bytes_left"] <= first


def test_paused_tunnels_reach_the_worker_and_its_successors(panel: Panel, node: Node) -> None:  # noqa: F811
    paused = PausedTunnel(kind="portal", tunnel="home")
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    pid = node.await_running(1)
    panel.want(wanted(1, 1, {}, paused=[paused]))
    until("it knows", lambda: panel.ask(1, "sessions").answer["paused"] == [paused.model_dump()], 20)
    os.kill(pid, signal.SIGKILL)
    node.await_worker_other_than(1, pid)
    assert panel.ask(1, "sessions").answer["paused"] == [paused.model_dump()]
    panel.want(wanted(1, 1, {}))
    until("it is resumed", lambda: panel.ask(1, "sessions").answer["paused"] == [], 20)


def test_other_limits_reach_the_worker_without_a_new_document(panel: Panel, node: Node) -> None:  # noqa: F811
    limit = Limit(path="inbounds[0].settings.clients[0]", email="a@example.org", expires_at=2e9)
    panel.wanted = [wanted(1, 1, {})]
    node.start()
    pid = node.await_running(1)
    panel.want(wanted(1, 1, {}, limits=[limit]))
    until("it has them", lambda: panel.ask(1, "sessions").answer["limits"] == [limit.model_dump()], 20)
    panel.want(wanted(1, 1, {}))
    until("they are gone", lambda: panel.ask(1, "sessions").answer["limits"] == [], 20)
    assert node.await_running(1) == pid
