"""Agent, workers and panel are killed, restarted and published to in an order that chance made; then all is right."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress

import pytest

from proxycore.agent.spool import BUCKET_S
from tests.e2e.test_agent import Nodes, node, nodes, panel  # noqa: F401 - fixtures
from tests.support.agents_panel import Panel, wanted
from tests.support.node import Node
from tests.support.processes import until

INSTANCES = range(1, 5)
STEPS = 14
RATE = 1000
RIGHT_AGAIN_S = 10.0
LATE_S = BUCKET_S + 3.0

pytestmark = pytest.mark.timeout(150)


class Chaos:
    def __init__(self, panel: Panel, node: Node, seed: int) -> None:  # noqa: F811
        self.panel = panel
        self.node = node
        self.chance = random.Random(seed)
        self.revisions = dict.fromkeys(INSTANCES, 1)
        self.panel.wanted = [self.wanted(number) for number in INSTANCES]

    def wanted(self, number: int) -> object:
        document = {"portals": {"home": 1}, "outbounds": {"out": RATE}, "revision": self.revisions[number]}
        return wanted(number, self.revisions[number], document, confirm_s=self.chance.choice([0, 2]))

    def pause(self, most_s: float) -> None:
        time.sleep(self.chance.random() * most_s)

    def kill_agent(self) -> None:
        self.node.kill()
        self.pause(0.6)
        self.node.start()
        self.pause(1.5)

    def replace_agent(self) -> None:
        process = self.node.process
        process.send_signal(signal.SIGHUP)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:       # as under nohup: one that has just begun does, too
            until("the agent hears it", lambda: process.exit_code is not None or process.send_signal(signal.SIGHUP), 10)
        assert process.wait(10) in (0, -signal.SIGHUP)      # it may be that it has just been started
        self.node.start()
        self.pause(1.5)

    def kill_worker(self) -> None:
        if pids := self.node.worker_pids:
            with suppress(ProcessLookupError):      # it ended by itself just now
                os.kill(self.chance.choice(pids), signal.SIGKILL)
        self.pause(1)

    def publish(self) -> None:
        number = self.chance.choice(INSTANCES)
        self.revisions[number] += 1
        self.panel.wanted[number - 1] = self.wanted(number)  # type: ignore[call-overload]
        self.panel.want(*self.panel.wanted)
        self.pause(0.5)

    def cut_the_link(self) -> None:
        self.panel.close(1012)
        self.pause(1)

    def is_right(self) -> bool:
        """Each runs once, and nothing else does."""
        states = [self.panel.worker(number) for number in INSTANCES]
        pids = sorted(self.node.worker_pids)
        return all(state.get("phase") == "running" for state in states) and pids == sorted(state["pid"] for state in states)


@pytest.mark.parametrize("seed", [1, 2])
def test_all_is_right_again(panel: Panel, node: Node, seed: int) -> None:  # noqa: F811
    chaos = Chaos(panel, node, seed)
    node.start()
    first = {number: node.await_running(number, 40) for number in INSTANCES}
    steps = [chaos.kill_agent, chaos.kill_agent, chaos.replace_agent, chaos.kill_worker, chaos.publish, chaos.cut_the_link]
    for _ in range(STEPS):
        chaos.chance.choice(steps)()
    panel.close(1012)
    until("all is right", chaos.is_right, RIGHT_AGAIN_S)
    until("the newest revisions run", lambda: all(
        panel.worker(number)["revision"] == chaos.revisions[number] for number in INSTANCES), RIGHT_AGAIN_S)
    until("none is on trial", lambda: not any("pending" in panel.worker(number) for number in INSTANCES), RIGHT_AGAIN_S)
    assert not [one for one in panel.said if one.type == "reverted" and one.reason.startswith("portal")]
    for number in INSTANCES:
        if panel.worker(number)["pid"] == first[number]:        # never killed: all that it moved is reported, once
            until("a report", lambda number=number: lags(panel, number) <= LATE_S * RATE, 2 * BUCKET_S)
            reported = panel.moved(number, "outbound", "out")[0]
            states = panel.states           # the state goes by a beat of its own: what is in a report may be told in the next one
            until("newer states", lambda states=states: panel.states >= states + 2, 10)
            assert counted(panel, number) >= reported
    assert "level=error" not in node.process.log


def lags(panel: Panel, number: int) -> int:  # noqa: F811
    """Bytes that a worker has counted and the panel was not told of."""
    return counted(panel, number) - panel.moved(number, "outbound", "out")[0]


def counted(panel: Panel, number: int) -> int:  # noqa: F811
    return int(panel.worker(number)["outbounds"]["out"]["up"])
