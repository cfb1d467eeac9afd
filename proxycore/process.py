"""What surrounds an instance: the event loop, signals, the log."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from proxycore import __version__, logs, tasks
from proxycore.errors import ConfigError
from proxycore.event_loop import new_event_loop, raise_open_files_limit
from proxycore.instance import Instance
from proxycore.reloading import Reloader, settle

if TYPE_CHECKING:
    from proxycore.document.model import LoadedDocument

EXIT_STOPPED: Final = 0
EXIT_NOT_STARTED: Final = 1

_log = logging.getLogger("xrev.process")


def run_until_signal(
    loaded: LoadedDocument, *, drain_s: float, as_json: bool, read_again: Callable[[], LoadedDocument] | None = None
) -> int:
    """Run `loaded` until SIGTERM or SIGINT, then drain; the exit code.

    A second signal, or `drain_s` seconds, end what still runs. SIGHUP applies what `read_again` reads.
    """
    log = loaded.log
    try:
        logs.configure(log.loglevel, log.error, log.mask_address, as_json=as_json)
    except OSError as error:
        _complain(loaded, "log.error", f"{log.error!r} cannot be written: {error.strerror}")
        return EXIT_NOT_STARTED
    raise_open_files_limit()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(loaded, drain_s, read_again, as_json=as_json))


async def _serve(
    loaded: LoadedDocument, drain_s: float, read_again: Callable[[], LoadedDocument] | None, *, as_json: bool
) -> int:
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    asked_again = asyncio.Event()

    def on_signal() -> None:
        (asked_again if asked_to_stop.is_set() else asked_to_stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)

    instance = Instance(loaded, loop)
    reloader = Reloader(instance, read_again, as_json=as_json) if read_again is not None else None
    if reloader is not None:        # before it listens: who sees the port open may send the signal at once
        loop.add_signal_handler(signal.SIGHUP, reloader.ask)
    try:
        await instance.start()
    except ConfigError as error:
        _complain(loaded, error.path, error.reason)
        return EXIT_NOT_STARTED
    settle()
    _log.info("xrev %s is running", __version__)

    await asked_to_stop.wait()
    if reloader is not None:
        reloader.stop()
    _log.info("stopping: connections may go on for %g s", drain_s)
    draining = tasks.spawn("drain", instance.drain(drain_s))
    again = tasks.spawn("second signal", asked_again.wait())
    await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    draining.cancel()
    instance.stop()
    _log.info("stopped")
    return EXIT_STOPPED


def _complain(loaded: LoadedDocument, path: str, reason: str) -> None:
    """Say what cannot be run, whatever the document's log level, as the reader says what is wrong with a document."""
    sys.stderr.write(f"{loaded.problem_at(path, reason)}\n")
