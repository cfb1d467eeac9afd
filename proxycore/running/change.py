"""One document taking the place of another: first everything is built, then, if all of it could be, it is put in place."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from enum import IntEnum
from types import TracebackType

from proxycore.running.applied import Report

_log = logging.getLogger("xrev.instance")


class Phase(IntEnum):
    """When something is done of what follows the building, all of it within one turn of the loop."""

    SWAP = 0        # what is referred to: routes, tables, who accepts
    START = 1       # what is new begins
    RETIRE = 2      # what is old ends


class Change:
    """A context: what was built is undone where it is left by an error, the last first. `commit` ends that."""

    __slots__ = ("_commits", "_undo", "report")

    def __init__(self) -> None:
        self.report = Report()
        self._undo = ExitStack()
        self._commits: list[tuple[Phase, Callable[..., object], tuple[object, ...]]] = []

    def on_undo(self, callback: Callable[..., object], *args: object) -> None:
        """Call it if this change fails."""
        self._undo.callback(callback, *args)

    def on_commit(self, phase: Phase, callback: Callable[..., object], *args: object) -> None:
        """Call it once everything has been built. It must not fail."""
        self._commits.append((phase, callback, args))

    def commit(self) -> None:
        """Everything has been built: put it in place."""
        self._undo.pop_all()
        for _, callback, args in sorted(self._commits, key=lambda one: one[0]):
            try:
                callback(*args)
            except Exception:   # noqa: BLE001 - a bug of ours must not leave the rest half done
                _log.exception("while a document was put in place")

    def __enter__(self) -> Change:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._undo.close()
