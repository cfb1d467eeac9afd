"""The loop that our processes run on, and how many files they may have open."""

from __future__ import annotations

import asyncio
import logging
import os
import resource

LOOKUP_THREADS = 32
"""System calls for names under way at once; more wait. The resolver blocks each for as long as a name server is silent."""

_log = logging.getLogger("xrev.process")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed (it has no build for Windows), else asyncio's.

    libuv asks the system for names in half of its threads at most; they are made when the first name is asked for.
    """
    os.environ.setdefault("UV_THREADPOOL_SIZE", str(2 * LOOKUP_THREADS))
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def raise_open_files_limit() -> int:
    """Allow as many open files as may be asked for without root: a connection is one or two. The new limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as error:      # macOS reports a hard limit that it does not grant
        _log.info("the limit of open files stays as it is: %s", error)
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
