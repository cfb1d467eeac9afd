"""A running process takes a changed document: read again, applied, and what came of it in the log."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable

from proxycore import logs, tasks
from proxycore.document.model import LoadedDocument
from proxycore.document.problems import DocumentError, Problem
from proxycore.errors import ConfigError
from proxycore.instance import Instance

_log = logging.getLogger("xrev.process")


class Reloader:
    """Reads the document of `instance` again with `read`, which may take its time: it is called in a thread."""

    def __init__(self, instance: Instance, read: Callable[[], LoadedDocument], *, as_json: bool) -> None:
        self._instance = instance
        self._read = read
        self._as_json = as_json
        self._is_under_way = False
        self._is_asked_again = False
        self._is_stopped = False

    def ask(self) -> None:
        """Reload; if that is under way, once more after it."""
        self._is_asked_again = True
        if not self._is_under_way and not self._is_stopped:
            self._is_under_way = True
            tasks.spawn("reload", self._run())

    def stop(self) -> None:
        """Apply nothing any more."""
        self._is_stopped = True

    async def _run(self) -> None:
        try:
            while self._is_asked_again and not self._is_stopped:
                self._is_asked_again = False
                await self._reload()
        finally:
            self._is_under_way = False

    async def _reload(self) -> None:
        _log.info("reading the document again")
        try:
            loaded = await asyncio.to_thread(self._read)
        except DocumentError as error:
            _complain(error.problems)
            return
        if self._is_stopped:
            return
        for warning in loaded.warnings:
            _log.warning("%s", warning)
        self._apply(loaded)

    def _apply(self, loaded: LoadedDocument) -> None:
        log = loaded.log
        try:
            handler = logs.open_handler(log.error, log.mask_address, as_json=self._as_json)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            _complain([loaded.problem_at("log.error", f"{log.error!r} cannot be written: {reason}")])
            return
        try:
            applied = self._instance.apply(loaded)
        except ConfigError as error:
            handler.close()
            _complain([loaded.problem_at(error.path, error.reason)])
            return
        except BaseException:
            handler.close()
            raise
        logs.install(handler, logs.level_of(log.loglevel, log.error))
        for line in applied.lines():
            _log.info("%s", line)
        _log.info("the document was applied" if applied else "the document was applied: nothing in it is different")
        settle()


def settle(*, is_whole: bool = True) -> None:
    """What was built by now mostly lives long: the collector need not look at it again.

    `is_whole`: look through what was built before, too, for what is not needed any more. That takes about 10 ms for 2,000 users.
    """
    gc.enable()         # where it was off while that was built
    if is_whole:
        gc.unfreeze()
    gc.collect()
    gc.freeze()


def _complain(problems: list[Problem]) -> None:
    """Say why the document was not applied, whatever the log level."""
    for problem in problems:
        if _log.isEnabledFor(logging.ERROR):
            _log.error("%s", problem)
        else:
            sys.stderr.write(f"{problem}\n")
    if _log.isEnabledFor(logging.ERROR):
        _log.error("the document was not applied: what ran before goes on")
