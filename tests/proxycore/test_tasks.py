from __future__ import annotations

import asyncio
import logging

import pytest

from proxycore.tasks import running, spawn


async def test_a_task_is_kept_under_its_name_until_it_ends() -> None:
    gate = asyncio.Event()
    task = spawn("dial example", gate.wait())
    assert task.get_name() == "dial example"
    assert task in running()
    gate.set()
    await task
    await asyncio.sleep(0)
    assert task not in running()


async def test_a_failure_nobody_awaits_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("no such thing")

    with caplog.at_level(logging.ERROR, logger="xrev.tasks"):
        task = spawn("resolver", fail())
        await asyncio.wait([task])
        await asyncio.sleep(0)
    [record] = caplog.records
    assert record.getMessage() == "task resolver failed"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "no such thing"


async def test_a_cancelled_task_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    task = spawn("timer", asyncio.sleep(3600))
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert caplog.records == []
    assert task not in running()
