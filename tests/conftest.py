"""What every test may use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
import uvloop

hypothesis.settings.register_profile("default", max_examples=50, deadline=None)
hypothesis.settings.register_profile("long", max_examples=20_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


LONGEST_FIRST = (
    "tests/browser/test_live_pages.py",
    "tests/dashboard/test_every_right.py",
    "tests/e2e/test_agent_revert.py",
    "tests/xrevsite/serving/test_killed.py",
    "tests/e2e/test_agent.py",
    "tests/browser/test_live.py",
    "tests/dashboard/live/test_browsers.py",
    "tests/e2e/test_agent_traffic.py",
    "tests/dashboard/management/test_backup.py",
    "tests/xrevsite/serving/test_variants.py",
    "tests/dashboard/admin/test_broken_input.py",
    "tests/e2e/test_worker.py",
    "tests/e2e/test_reload.py",
    "tests/xrevsite/serving/test_serve.py",
    "tests/dashboard/admin/test_hostile.py",
    "tests/e2e/test_panel_and_agent.py",
    "tests/dashboard/test_big_instance.py",
    "tests/e2e/test_agent_chaos.py",
    "tests/browser/test_publishing.py",
    "tests/e2e/test_balancers.py",
    "tests/dashboard/api/test_any_request.py",
    "tests/browser/test_first_account.py",
)
"""Of modules that run side by side: else one of them would be begun when all others are done. Those that start whole panels
stand apart, as three that start at once make each other wait."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):          # one process of several, of pytest-xdist
        ranks = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
        items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """Tests run on the loop that the program runs on."""
    return {"uvloop": uvloop.new_event_loop}


def require_program(name: str) -> str:
    """The path of an external program. Without it the test is skipped, or fails under XREV_REQUIRE_ALL=1 (in CI)."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"{name} is not on PATH"
    if os.environ.get("XREV_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and XREV_REQUIRE_ALL=1 asks for everything")
    pytest.skip(reason)


@pytest.fixture
def require() -> Callable[[str], str]:
    """`require("v2ray")` in a test: the program's path, else the test is skipped with the reason (a failure in CI)."""
    return require_program
