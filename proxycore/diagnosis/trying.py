"""A connection that is opened to see whether it can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from proxycore.stream import NULL_STREAM, Buffer, NullStream, Stream

TIMEOUT_S: Final = 6.0
"""A step that has not ended by then has failed: a person waits for it."""


class Tried(NamedTuple):
    """How opening went. `error` is empty where the far end was reached; `is_late`: it had not said anything in time."""

    error: str
    ms: float
    is_late: bool = False


class _Probe(NullStream):
    """The near end. It ends as soon as it is known how opening went."""

    __slots__ = ("done",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.peer: Stream = NULL_STREAM
        self.done: asyncio.Future[str] = loop.create_future()

    def write(self, data: Buffer) -> None:
        self._finish("")

    def write_eof(self) -> None:
        self._finish("")            # it was there, and has nothing to say

    def on_connected(self) -> None:
        self._finish("")

    def close(self) -> None:
        self._finish("it was closed at once, without a word")

    def abort(self, error: Exception | None) -> None:
        self._finish(str(error) if error is not None else "it was reset")

    def _finish(self, error: str) -> None:
        if not self.done.done():
            self.done.set_result(error)


async def try_to_open(opening: Callable[[Stream], None], timeout_s: float = TIMEOUT_S) -> Tried:
    """Let `opening` join a stream to something, and see how that goes.

    What says nothing of itself (a mux session: there is no answer to its opening) counts as open when its time is over.
    """
    loop = asyncio.get_running_loop()
    probe = _Probe(loop)
    begin = loop.time()
    opening(probe)
    if not probe.peer.is_connecting and probe.peer is not NULL_STREAM and _is_reached(probe.peer):
        probe.on_connected()
    try:
        error = await asyncio.wait_for(asyncio.shield(probe.done), timeout_s)
        is_late = False
    except TimeoutError:
        error, is_late = f"no answer within {timeout_s:g} s", True
    ms = (loop.time() - begin) * 1000
    peer, probe.peer = probe.peer, NULL_STREAM
    probe._finish("")           # a later word of the peer finds nobody
    peer.abort(None)
    return Tried(error, ms, is_late)


def _is_reached(stream: Stream) -> bool:
    """Whether there is a connected socket below."""
    return stream.carried_by() is not None
