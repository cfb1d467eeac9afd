"""Programs, a target and tunnels for the tests with real processes; their logs are shown when a test fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import XREV, Processes
from tests.support.target import Target
from tests.support.tunnel import Tunnel
from tests.support.worker import Workers

Programs = Callable[[str], tuple[str, ...]]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: Any = yield
    if report.failed:
        values = getattr(item, "funcargs", {}).values()
        found = [value if isinstance(value, Processes) else getattr(value, "processes", None) for value in values]
        for processes in {id(one): one for one in found}.values():
            if isinstance(processes, Processes):
                report.sections += [(f"log of {name}", text) for name, text in processes.logs()]
    return report


def program(name: str) -> tuple[str, ...]:
    """The command of a core, by its short name; without it the test is skipped. No system has an Xray of today, so it is
    never required: who has built one puts it on the PATH."""
    from tests.conftest import require_program

    if name == "xray":
        xray = shutil.which("xray")
        if xray is None:
            pytest.skip("xray is not on PATH")
        return (xray, "run", "-c")
    return XREV if name == "xrev" else (require_program("v2ray"), "-config")


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    target = Target()
    target.start()
    yield target
    target.stop()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    processes.end_all()


@pytest.fixture
def tunnel(processes: Processes, target: Target) -> Tunnel:
    """Both sides ours, up."""
    return Tunnel(processes, target).up()


@pytest.fixture
def workers(processes: Processes) -> Iterator[Workers]:
    workers = Workers(processes)
    yield workers
    workers.close()
