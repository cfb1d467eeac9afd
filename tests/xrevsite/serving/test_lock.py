"""One `serve` for one VAR."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xrevsite.serving import lock


def test_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    held = lock.hold(tmp_path / "serve", "agent")
    with pytest.raises(lock.Taken) as caught:
        lock.hold(tmp_path / "serve", "agent")
    assert (caught.value.name, caught.value.pid) == ("agent", os.getpid())
    os.close(lock.hold(tmp_path / "serve", "beat"))
    os.close(held)
    os.close(lock.hold(tmp_path / "serve", "agent"))
