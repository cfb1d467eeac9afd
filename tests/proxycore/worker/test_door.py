"""The file of a worker's socket."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxycore.worker.door import bind, mark_of, unbind


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="xrev-") as folder:     # a socket's path has to be short
        yield str(Path(folder) / "1.sock")


def test_a_worker_that_ends_removes_its_own_socket_and_not_that_of_the_one_after_it(path: str) -> None:
    with bind(path):
        first = mark_of(path)
    os.unlink(path)                     # as an agent does that could not connect any more
    with bind(path):
        unbind(path, first)
        assert os.path.exists(path)
        second = mark_of(path)
        for _ in range(2):
            unbind(path, second)
        assert not os.path.exists(path)
