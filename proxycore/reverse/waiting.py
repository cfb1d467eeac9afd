"""A session that found no carrier: it waits a short time for one before it is refused.

A bridge that reconnects is back within a second; the Go cores close what arrives meanwhile.
"""

from __future__ import annotations

from typing import Protocol

from proxycore.destination import Request
from proxycore.errors import LinkDown
from proxycore.net.wheel import Wheel
from proxycore.stats import User
from proxycore.stream import Buffer, Stream

CARRIER_WAIT_S = 3.0
"""How long a session waits for a carrier."""

MAX_WAITING = 1024
"""Sessions that may wait on one portal; one more is refused at once."""


class OnOver(Protocol):
    def __call__(self, waiting: WaitingStream, /, *, in_vain: bool) -> None:
        """`waiting` waits no more; `in_vain`: its time is over, and it is refused unless it is joined now."""


class WaitingStream(Stream):
    """Stands in for the session that is not there yet. What the client sends first is kept (one read), then it is paused."""

    __slots__ = ("_charged", "_is_over", "_kept", "_on_over", "_wants_eof", "request", "wheel_slot")

    def __init__(self, request: Request, client: Stream, wheel: Wheel, on_over: OnOver) -> None:
        self.peer = client
        self.request = request
        self.wheel_slot = -1
        self._kept: list[bytes] = []
        self._wants_eof = False
        self._is_over = False
        self._charged: tuple[User, str] | None = None
        self._on_over = on_over
        wheel.watch(self, CARRIER_WAIT_S)

    @property
    def is_over(self) -> bool:
        return self._is_over

    def join(self, session: Stream) -> None:
        """A carrier came: `session` takes over, with what was kept."""
        self._is_over = True
        client = self.peer
        client.peer, session.peer = session, client
        if self._charged is not None:
            session.charge(*self._charged)
        for data in self._kept:
            session.write(data)
        if self._wants_eof:
            session.write_eof()
        client.resume()

    def refuse(self, error: Exception) -> None:
        """The client waits in vain."""
        self._is_over = True
        self.peer.abort(error)

    def on_watch(self) -> float | None:
        if not self._is_over:
            self._on_over(self, in_vain=True)
            if not self._is_over:
                self.refuse(LinkDown("no bridge is connected"))
        return None

    def write(self, data: Buffer) -> None:
        if not self._is_over:
            self._kept.append(bytes(data))
            self.peer.pause()

    def write_eof(self) -> None:
        self._wants_eof = True

    def charge(self, user: User, ip: str) -> bool:
        self._charged = (user, ip)      # the session will do it
        return True

    def close(self) -> None:
        self._end()

    def abort(self, error: Exception | None) -> None:
        self._end()

    def pause(self) -> None:
        pass            # it has nothing to give

    def resume(self) -> None:
        pass

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_over(self, in_vain=False)
