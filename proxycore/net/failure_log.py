"""One line per failed handshake, but not for a flood of them. Each is counted, by its reason."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from proxycore.destination import HostPort
from proxycore.errors import PeerError
from proxycore.net.wheel import Wheel

MAX_LINES_PER_S = 10
_PERIOD_S = 1.0
_log = logging.getLogger("xrev.handshake")

OnFailure: TypeAlias = Callable[[str, HostPort, PeerError | TimeoutError], None]
"""Told of each: at which inbound, whose handshake, and why."""


class FailureLog:
    """Writes up to MAX_LINES_PER_S lines a second, and how many more there were. Never an id, a key or data."""

    __slots__ = ("_lines", "_on_failure", "_suppressed", "_tag", "_wheel", "wheel_slot")

    def __init__(self, tag: str, wheel: Wheel, on_failure: OnFailure | None = None) -> None:
        self._tag = tag
        self._wheel = wheel
        self._on_failure = on_failure
        self._lines = 0
        self._suppressed = 0
        self.wheel_slot = -1

    def report(self, source: HostPort, error: PeerError | TimeoutError) -> None:
        """A handshake of `source` failed; a TimeoutError: it took too long."""
        if self._on_failure is not None:
            self._on_failure(self._tag, source, error)
        if self.wheel_slot < 0:
            self._wheel.watch(self, _PERIOD_S)
        if self._lines >= MAX_LINES_PER_S:
            self._suppressed += 1
            return
        self._lines += 1
        _log.info("inbound %s: handshake from %s:%d failed: %s", self._tag, source[0], source[1], error)

    def on_watch(self) -> None:
        if self._suppressed:
            _log.info("inbound %s: %d more failed handshakes", self._tag, self._suppressed)
        self._lines = self._suppressed = 0
