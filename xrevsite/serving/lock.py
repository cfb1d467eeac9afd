"""What may run once only for one VAR is held by a locked file, which the system lets go when its process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

RUNNING: Final = "running"
"""Shared by every `serve` of a VAR, whatever its parts; who wants nobody there takes it alone."""


class Taken(Exception):
    """Another process has it. `pid` is 0 where the file does not say whose it is."""

    def __init__(self, name: str, pid: int) -> None:
        super().__init__(name, pid)
        self.name = name
        self.pid = pid


def hold(folder: Path, name: str, *, is_shared: bool = False) -> int:
    """Lock `name` for as long as this process lives or until the descriptor, which is returned, is closed. Raises: Taken."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        said = os.read(descriptor, 32).strip()
        os.close(descriptor)
        raise Taken(name, int(said) if said.isdigit() else 0) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


@contextmanager
def holding(folder: Path, name: str) -> Iterator[None]:
    """Raises: Taken."""
    descriptor = hold(folder, name)
    try:
        yield
    finally:
        os.close(descriptor)
