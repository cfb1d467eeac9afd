from __future__ import annotations

import os
import time

import pytest

from proxycore.agent.usage import HostUsage, ProcessUsage


def test_of_a_process_that_is_busy() -> None:
    usage = ProcessUsage(os.getpid())
    first = usage.read()
    assert "cpu" not in first                   # nothing to compare with yet
    begun, begun_busy = time.monotonic(), time.process_time()
    while time.process_time() < begun_busy + 0.3:
        pass
    second = usage.read()
    share = (time.process_time() - begun_busy) / (time.monotonic() - begun)      # less than one where others are busy, too
    assert second["cpu"] == pytest.approx(share, rel=0.3)
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
