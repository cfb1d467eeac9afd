"""Connections that are bounded by what they wait for: strangers may open any number, and need not read what they asked for.

A new one is always taken; where there are too many, the one that has waited longest goes.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.protocol import connectionDone
from twisted.web.http import HTTPChannel

MAX_LISTENING: Final = 1000     # whose request, or next request, has not come, or not all of it
MAX_SENDING: Final = 64         # who do not read as fast as they are sent: what waits is held in memory, 2 MB of a file, say


class Oldest:
    """At most `limit` connections; one more ends the one that came first."""

    __slots__ = ("_limit", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[Any, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, channel: Any) -> None:
        self.leave(channel)
        self._waiting[channel] = None
        if len(self._waiting) > self._limit:
            oldest = next(iter(self._waiting))
            self.leave(oldest)
            oldest.transport.abortConnection()

    def leave(self, channel: Any) -> None:
        self._waiting.pop(channel, None)


class BoundedChannel(HTTPChannel):
    """`factory.listening`, `factory.sending`: where it waits. A WebSocket leaves both; it has its own bounds (docs/live.md)."""

    is_websocket = False

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call]
        self.factory.listening.enter(self)

    def allContentReceived(self) -> None:
        self.factory.listening.leave(self)
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def requestDone(self, request: Any) -> None:
        # Requests that were sent before the answers to earlier ones: 16 KiB of them ask for 300 MiB of files, which are held
        # until they are read. No browser or web server in front does that.
        if any(self._dataBuffer):
            self.persistent = False
        if self.persistent:
            self.factory.listening.enter(self)
        super().requestDone(request)  # type: ignore[no-untyped-call]

    def pauseProducing(self) -> None:
        super().pauseProducing()  # type: ignore[no-untyped-call]
        if not self.is_websocket:
            self.factory.sending.enter(self)

    def resumeProducing(self) -> None:
        self.factory.sending.leave(self)
        super().resumeProducing()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self.factory.listening.leave(self)
        self.factory.sending.leave(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
