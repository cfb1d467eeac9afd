"""How many bytes are read from a client that could not prove who it is, before the connection is closed.

A server that closed at once would tell a prober at which byte its parsing failed. So each configuration has a threshold of
its own, the same whatever was wrong, between MIN_BYTES and MAX_BYTES. Source: Xray-core common/drain/drainer.go and
proxy/vmess/validator.go; they draw from Go's random generator, which need not be followed: nobody can see it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

_FOUNDATION_BYTES = 16 + 38
_BASE_RANGE = 3266
_ROLL_RANGE = 64

MIN_BYTES = _FOUNDATION_BYTES
MAX_BYTES = _FOUNDATION_BYTES + (_BASE_RANGE - 1) + (_ROLL_RANGE - 1)


class DrainPolicy:
    """The threshold of one set of users: the same after a restart and in whatever order they are listed."""

    __slots__ = ("base_bytes", "roll_range")

    def __init__(self, user_ids: Iterable[bytes]) -> None:
        seed = hashlib.sha256()
        for user_id in sorted(user_ids):
            seed.update(hmac.digest(b"VMESSBSKDF", user_id, "sha256"))
        digest = seed.digest()
        self.base_bytes = _FOUNDATION_BYTES + int.from_bytes(digest[:8], "big") % _BASE_RANGE
        self.roll_range = int.from_bytes(digest[8:16], "big") % _ROLL_RANGE + 1

    def total_bytes(self, random: int) -> int:
        """What to read from one connection in all; `random` is a fresh number of 32 bits or more."""
        return self.base_bytes + random % self.roll_range
