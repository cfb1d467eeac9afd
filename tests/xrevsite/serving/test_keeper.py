"""Children that are kept running: real processes, some milliseconds each."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proxycore import tasks
from tests.support.processes import ROOT, is_alive
from tests.support.processes import until as eventually
from tests.support.sockets import until
from xrevsite.serving.keeper import FIRST_PAUSE_S, MAX_PAUSE_S, STEADY_S, Backoff, Keeper, Part
from xrevsite.serving.output import Output


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.touch()
    return path


def keeper(log: Path, code: str, **more: object) -> Keeper:
    output = Output(as_json=False, fd=os.open(log, os.O_WRONLY | os.O_APPEND))
    return Keeper(Part("child", [sys.executable, "-c", code], **more), output)      # type: ignore[arg-type]


def test_pauses_double_and_begin_anew_after_a_good_while() -> None:
    backoff = Backoff()
    pauses = [backoff.after(0.1) for _ in range(8)]
    assert pauses[:3] == [FIRST_PAUSE_S, FIRST_PAUSE_S * 2, FIRST_PAUSE_S * 4]
    assert pauses[-1] == MAX_PAUSE_S
    assert backoff.after(STEADY_S) == FIRST_PAUSE_S


async def test_one_that_is_killed_runs_again(log: Path) -> None:
    kept = keeper(log, "import time; print('begun', flush=True); time.sleep(60)")
    task = tasks.spawn("keep", kept.run())
    await until(lambda: log.read_text().count("begun") == 1)
    first = kept.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: log.read_text().count("begun") == 2)
    assert kept.pid != first
    await kept.stop()
    await task
    assert kept.starts == 2
    assert kept.pid is None
    assert "child   begun\n" in log.read_text()


async def test_one_that_ends_by_itself_is_named_with_its_exit_code(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    begin = time.monotonic()
    kept = keeper(log, "raise SystemExit(7)")
    task = tasks.spawn("keep", kept.run())
    await until(lambda: kept.starts == 2)
    await kept.stop()
    await task
    told = re.search(r"child ended with exit code 7 after (\d+) s and is started again", caplog.text)
    assert told is not None
    assert int(told[1]) <= round(time.monotonic() - begin)


async def test_one_that_does_not_hear_is_killed(log: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    kept = keeper(log, code, stop_s=0.2)
    task = tasks.spawn("keep", kept.run())
    await until(lambda: "deaf" in log.read_text())
    pid = kept.pid
    assert pid is not None
    await kept.stop()
    await task
    assert not is_alive(pid)


async def test_a_restart_that_is_asked_for_does_not_wait(log: Path) -> None:
    kept = keeper(log, "import time; print('begun', flush=True); time.sleep(60)")
    task = tasks.spawn("keep", kept.run())
    await until(lambda: log.read_text().count("begun") == 1)
    kept.restart()
    await until(lambda: log.read_text().count("begun") == 2)
    await kept.stop()
    await task


async def test_one_that_is_stopped_before_it_was_started_is_not_started(log: Path) -> None:
    may_begin = asyncio.Event()

    async def wait() -> None:
        await may_begin.wait()

    kept = keeper(log, "import time; time.sleep(60)", before=wait)
    task = tasks.spawn("keep", kept.run())
    await asyncio.sleep(0)
    await kept.stop()
    may_begin.set()
    await asyncio.wait_for(task, 5)
    assert kept.starts == 0


async def test_one_that_is_stopped_while_it_is_started_ends(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = keeper(log, "import time; time.sleep(60)")
    start = kept._start

    async def stopped_meanwhile() -> None:
        await kept.stop()
        await start()

    monkeypatch.setattr(kept, "_start", stopped_meanwhile)
    await asyncio.wait_for(tasks.spawn("keep", kept.run()), 5)
    assert (kept.starts, kept.pid) == (1, None)


async def test_a_program_that_is_not_there_is_tried_again(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    output = Output(as_json=False, fd=os.open(log, os.O_WRONLY))
    kept = Keeper(Part("child", ["/nowhere/program"]), output)
    task = tasks.spawn("keep", kept.run())
    await until(lambda: caplog.text.count("child cannot be started") == 2)
    await kept.stop()
    await task


async def test_who_waits_for_one_that_nobody_can_ask_waits_for_its_start(log: Path) -> None:
    kept = keeper(log, "import time; time.sleep(60)")
    task = tasks.spawn("keep", kept.run())
    assert await kept.wait_until_ready() is True
    assert kept.starts == 1
    await kept.stop()
    await task


async def test_who_waits_for_one_that_never_answers_is_told(log: Path) -> None:
    kept = keeper(log, "import time; time.sleep(60)", is_ready=lambda: False, ready_s=0.1)
    task = tasks.spawn("keep", kept.run())
    assert await kept.wait_until_ready() is False
    await until(lambda: kept.pid)
    await kept.stop()
    await asyncio.wait_for(task, 5)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_no_child_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    code = """
import asyncio, sys
CHILD = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
from xrevsite.serving.keeper import Keeper, Part
from xrevsite.serving.output import Output
kept = Keeper(Part("child", [sys.executable, "-c", CHILD]), Output(as_json=False))
import uvloop
asyncio.Runner(loop_factory=uvloop.new_event_loop).run(kept.run())
"""
    (tmp_path / "supervisor.py").write_text(code)
    with (tmp_path / "log").open("wb") as log:
        parent = subprocess.Popen(
            [sys.executable, str(tmp_path / "supervisor.py")], env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=log)
        try:
            said = eventually("the child says its process", lambda: (tmp_path / "log").read_text().split(), 10)
            child = int(said[-1])
            assert is_alive(child)
        finally:
            parent.kill()
            parent.wait(5)
    eventually("the child ends", lambda: not is_alive(child), 5)
