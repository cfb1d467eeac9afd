from __future__ import annotations

import os
import time

from proxycore.agent.usage import HostUsage, ProcessUsage


def test_of_a_process_that_is_busy() -> None:
    usage = ProcessUsage(os.getpid())
    first = usage.read()
    assert "cpu" not in first                   # nothing to compare with yet
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    second = usage.read()
    assert 0.05 < second["cpu"] < 8
    assert second["memory"] > 10 * 1024 * 1024
    assert second["descriptors"] >= 3


def test_of_a_process_that_is_gone() -> None:
    assert ProcessUsage(2**22 + 1).read() == {}


def test_of_the_host() -> None:
    usage = HostUsage()
    usage.read()
    time.sleep(0.05)
    found = usage.read()
    assert 0 <= found["cpu"] <= 1
    assert 0 < found["memory"] < found["memory_total"]
    assert found["load"] >= 0
