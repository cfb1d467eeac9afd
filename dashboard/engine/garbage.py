"""While something large is built that stays, looking through it again and again for garbage is in vain."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_builders = 0


@contextmanager
def uncollected() -> Iterator[None]:
    """No cycles are collected inside, in any thread; what is in no cycle goes as always. For seconds, not for longer.

    A document of 2,000 inbounds is checked in three quarters of the time.
    """
    global _builders
    with _lock:
        _builders += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _builders -= 1
            if not _builders:
                gc.enable()
