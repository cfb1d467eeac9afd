"""What moved is counted once, whatever is killed; and a panel that is slow or away costs nothing but its own knowledge."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise

from tests.e2e.test_agent import Nodes, node, nodes, panel  # noqa: F401 - fixtures
from tests.support.agents_panel import Panel, wanted
from tests.support.node import Node
from tests.support.processes import until

RATE = 1000
KILLED_LOSES_S = 1.5
"""A light worker says its counters five times a second; the rest is a busy machine. What it has said is not lost."""

AWAY_S = 15
FIRST = f"outbound-{0:0300d}"


def reported(panel: Panel) -> int:  # noqa: F811
    return panel.moved(1, "outbound", "out")[0]


def told(panel: Panel) -> int:  # noqa: F811
    """What the panel knows that the worker has counted."""
    return int(panel.worker(1).get("outbounds", {}).get("out", {}).get("up", 0))


def test_every_byte_is_reported_once_through_kills_of_all(panel: Panel, node: Node) -> None:  # noqa: F811
    panel.wanted = [wanted(1, 1, {"outbounds": {"out": RATE}})]
    node.start()
    first = node.await_running(1)
    until("two reports, one after the other", lambda: len({one.at for one in panel.traffic}) == 2, 35)
    node.kill()                                     # the worker counts on
    time.sleep(1)
    node.start()
    state = panel.await_phase(1, "running")
    assert state["pid"] == first
    first_since = state["since"]                    # since when it counts: it was found, and says so itself
    panel.is_keeping = False                        # reports are sent, and not kept
    count = len(panel.traffic)
    until("one more report", lambda: len(panel.traffic) > count, 25)
    panel.close(1012)
    until("it is sent again", lambda: len(panel.traffic) > count + 1, 20)
    panel.is_keeping = True
    until("its counters are of now", lambda: told(panel) > (time.time() - first_since - KILLED_LOSES_S) * RATE, 20)
    moved = told(panel)
    os.kill(first, signal.SIGKILL)
    first_lived = time.time() - first_since
    second = panel.await_worker(1, "another worker runs", lambda state: (
        state.get("phase") == "running" and state.get("pid") != first))
    second_since = second["since"]
    node.process.end()                              # in order: nothing of it is lost
    second_lived = time.time() - second_since
    node.start()
    until("all is reported", lambda: reported(panel) >= moved, 45)
    third_since = panel.await_phase(1, "running")["since"]
    assert reported(panel) <= (first_lived + second_lived + time.time() - third_since) * RATE


def test_a_panel_that_does_not_read_gets_the_newest_state_and_no_queue(panel: Panel, node: Node) -> None:  # noqa: F811
    # Each message is so large that a few of them fill every buffer between the two.
    panel.wanted = [wanted(1, 1, {"outbounds": {f"outbound-{n:0300d}": RATE + n for n in range(4000)}})]
    node.start()
    pid = node.await_running(1)
    state = panel.await_worker(1, "its counters", lambda state: state.get("outbounds"))
    began = time.time() - state["outbounds"][FIRST]["up"] / RATE        # it counts once its interpreter has started
    seen: list[int] = []
    panel.after_state = lambda: seen.append(panel.worker(1)["outbounds"][FIRST]["up"])
    panel.is_reading = False
    time.sleep(AWAY_S - 3)
    rss = node.process.rss_bytes
    time.sleep(3)
    assert node.process.rss_bytes < rss + 4 * 1024 * 1024
    panel.is_reading = True
    until("state is new again", lambda: is_new(panel, pid, began), 15)
    # First comes what the sockets hold, then the newest: most of what was meanwhile is told by nobody.
    assert max(later - earlier for earlier, later in pairwise(seen)) > AWAY_S / 2 * RATE


def is_new(panel: Panel, pid: int, began: float) -> bool:  # noqa: F811
    """Whether the counters that the panel has are those of two seconds ago at most."""
    state = panel.worker(1)
    newest = (time.time() - began - 2) * RATE
    return bool(state.get("pid") == pid and state["outbounds"][FIRST]["up"] >= newest)
