"""One line per failed handshake, but not for a flood of them."""

from __future__ import annotations

import logging

from proxycore.destination import HostPort
from proxycore.net.wheel import Wheel

MAX_LINES_PER_S = 10
_PERIOD_S = 1.0
_log = logging.getLogger("xrev.handshake")


class FailureLog:
    """Writes up to MAX_LINES_PER_S lines a second, and how many more there were. Never an id, a key or data."""

    __slots__ = ("_lines", "_suppressed", "_tag", "_wheel", "wheel_slot")

    def __init__(self, tag: str, wheel: Wheel) -> None:
        self._tag = tag
        self._wheel = wheel
        self._lines = 0
        self._suppressed = 0
        self.wheel_slot = -1

    def report(self, source: HostPort, reason: str) -> None:
        """A handshake of `source` failed."""
        if self.wheel_slot < 0:
            self._wheel.watch(self, _PERIOD_S)
        if self._lines >= MAX_LINES_PER_S:
            self._suppressed += 1
            return
        self._lines += 1
        _log.info("inbound %s: handshake from %s:%d failed: %s", self._tag, source[0], source[1], reason)

    def on_watch(self) -> None:
        if self._suppressed:
            _log.info("inbound %s: %d more failed handshakes", self._tag, self._suppressed)
        self._lines = self._suppressed = 0
