"""Readiness of very many sockets: one epoll of our own, which the loop watches as a single descriptor.

Each wake-up handles a batch of ready sockets by plain calls, and then runs what was deferred to the end of the
turn (carriers send what they gathered). The loop's own `add_reader` costs six system calls and half a kilobyte per
connection; this costs one and a place in a list (the system gives out the lowest descriptor that is free).
"""

from __future__ import annotations

import asyncio
import logging
import select
from collections.abc import Callable
from typing import Any, Protocol

READABLE = 1            # EPOLLIN
WRITABLE = 4            # EPOLLOUT
FINISHED = 0x2000       # EPOLLRDHUP: the far end has sent all; told together with what is still to be read

EVENTS_PER_TURN = 256
DEFERRED_ROUNDS = 4
"""How often what was deferred may defer again within one turn."""

_log = logging.getLogger("xrev.poller")


class Loop(Protocol):
    """What the data plane needs of an event loop. A Poller is one; so is what tests move by hand."""

    def time(self) -> float:
        """Monotonic, seconds."""

    def call_soon(self, callback: Callable[..., object], *args: Any) -> object:
        """Run `callback` at the end of this turn."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Run `callback` in `delay` seconds."""


class Pollable(Protocol):
    def on_events(self, events: int) -> None:
        """Readable, finished, writable, broken: any combination. May be called once more after interest was withdrawn."""


class Connecting(Protocol):
    def drop(self) -> None:
        """Give up at once. It is in `connecting` no more."""


class Poller:
    """Watches sockets on behalf of `loop`."""

    __slots__ = ("_deferred", "_epoll", "_handlers", "_in_turn", "call_later", "connecting", "loop", "time")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.time = loop.time
        self.call_later = loop.call_later
        self._handlers: list[Pollable | None] = []          # by descriptor
        self._deferred: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._in_turn = False
        self.connecting: dict[Connecting, None] = {}        # attempts to connect that are under way, to be dropped at the end
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self._on_ready)

    def close(self) -> None:
        """Watch nothing any more."""
        for one in tuple(self.connecting):
            one.drop()
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._handlers[:] = [None] * len(self._handlers)

    def set_interest(self, fd: int, before: int, after: int, handler: Pollable) -> None:
        """Change what `handler` is told about `fd`: READABLE, WRITABLE, both, or nothing (0). `before` is what was set."""
        if self._epoll.closed:
            return
        if not before:
            handlers = self._handlers
            if fd >= len(handlers):
                handlers += [None] * (fd + 1 - len(handlers))
            handlers[fd] = handler
            self._epoll.register(fd, after)
        elif after:
            self._epoll.modify(fd, after)
        else:
            self._handlers[fd] = None
            self._epoll.unregister(fd)

    def forget(self, fd: int) -> None:
        """`fd`, in which there was interest, is about to be closed, which takes it out of the epoll."""
        if fd < len(self._handlers):
            self._handlers[fd] = None

    def call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        if self._in_turn:
            self._deferred.append((callback, args))
        else:
            self.loop.call_soon(callback, *args)

    def _on_ready(self) -> None:
        self._in_turn = True
        handlers = self._handlers
        for fd, events in self._epoll.poll(0, EVENTS_PER_TURN):
            handler = handlers[fd]
            if handler is not None:
                try:
                    handler.on_events(events)
                except Exception:   # noqa: BLE001 - a bug of ours must not keep the other sockets from their turn
                    _log.exception("on_events of %s", type(handler).__name__)
        for _ in range(DEFERRED_ROUNDS):
            if not self._deferred:
                break
            self._run_deferred()
        self._in_turn = False
        if self._deferred:
            self.loop.call_soon(self._run_deferred)

    def _run_deferred(self) -> None:
        deferred, self._deferred = self._deferred, []
        for callback, args in deferred:
            try:
                callback(*args)
            except Exception:   # noqa: BLE001 - the same
                _log.exception("a deferred call")
