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
