"""What a lookup finds."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from proxycore.destination import IPAddress


class Rcode(IntEnum):
    """Response codes (RFC 1035, section 4.1.1) that mean something here; others are kept as numbers."""

    NO_ERROR = 0
    SERVER_FAILURE = 2
    NAME_ERROR = 3          # NXDOMAIN
    REFUSED = 5


class Families(NamedTuple):
    """The address families that are asked for."""

    v4: bool
    v6: bool

    def __and__(self, other: object) -> Families:
        if not isinstance(other, Families):
            return NotImplemented
        return Families(self.v4 and other.v4, self.v6 and other.v6)

    @property
    def any(self) -> bool:
        return self.v4 or self.v6


BOTH = Families(True, True)
NO_FAMILY = Families(False, False)


class Answer(NamedTuple):
    """Without addresses: the name has none of this kind (`rcode` 0), or `rcode` says why."""

    addresses: tuple[IPAddress, ...]
    ttl_s: int
    rcode: int = Rcode.NO_ERROR


class Told(Protocol):
    """The log of what servers answered (`log.dnsLog`)."""

    def __call__(
        self, server: str, status: str, name: str, addresses: Sequence[IPAddress], elapsed_ms: float = 0, error: str = ""
    ) -> None:
        """`status` in Xray's words: got answer, cache HIT, cache OPTIMISTE."""


def tell_nobody(
    server: str, status: str, name: str, addresses: Sequence[IPAddress], elapsed_ms: float = 0, error: str = ""
) -> None:
    """Where there is no such log."""
