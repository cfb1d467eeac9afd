"""Addresses of a server that connected and then were silent: the next attempt begins with another one, of another family if
there is one. (A path can swallow what is larger than the handshake, or a host be there whose program is not.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Protocol

from proxycore.destination import IPAddress, unmapped

SILENT_S = 2.0
"""An address whose connection has brought no byte by then has led to nothing."""

AVOIDED_S = 60.0
MAX_REMEMBERED = 64


class Attempt(Protocol):
    """A connection."""

    @property
    def received(self) -> int:
        """Bytes so far."""


class Avoided:
    """Of one dialler."""

    __slots__ = ("_attempts", "_now", "_until")

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: monotonic, seconds."""
        self._now = now
        self._attempts: list[tuple[float, IPAddress, Attempt]] = []
        self._until: dict[IPAddress, float] = {}

    def connected(self, host: str, attempt: Attempt) -> None:
        """`attempt` has connected to the address `host`."""
        if len(self._attempts) >= MAX_REMEMBERED:
            del self._attempts[0]
        self._attempts.append((self._now(), unmapped(ip_address(host)), attempt))

    def order(self, addresses: Sequence[IPAddress]) -> Sequence[IPAddress]:
        """`addresses`, those last that led to nothing lately."""
        if len(addresses) < 2:
            return addresses
        self._judge()
        versions = {ip.version for ip in self._until}
        return sorted(addresses, key=lambda ip: (ip in self._until, ip.version in versions))

    def _judge(self) -> None:
        now = self._now()
        waiting = []
        for since, ip, attempt in self._attempts:
            if attempt.received:
                self._until.pop(ip, None)
            elif now - since >= SILENT_S:
                if len(self._until) >= MAX_REMEMBERED:
                    del self._until[next(iter(self._until))]
                self._until[ip] = since + AVOIDED_S
            else:
                waiting.append((since, ip, attempt))
        self._attempts = waiting
        self._until = {ip: until for ip, until in self._until.items() if until > now}
