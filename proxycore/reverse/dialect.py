"""Dialects: the name by which a core addresses the control session of a tunnel.

The name changed three times, without negotiation. A bridge that does not know it takes the control session for
ordinary UDP to a host of that name. Our bridge knows all of them; our portal finds out which one its peer knows.
Versions: see docs/reverse.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

XRAY_25_9 = "reverse"                               # Xray from 25.9.10
V2FLY = "reverse.internal.v2fly.org"                # v2fly from 4.35, Xray 1.5.4 to 25.9.5
V2RAY = "reverse.internal.v2ray.com"                # V2Ray to 4.34
XRAY_1 = "reverse.internal.example.com"             # Xray to 1.5.3

DIALECTS: Sequence[str] = (XRAY_25_9, V2FLY, V2RAY, XRAY_1)
"""In the order in which they are tried."""

CORES: Mapping[str, str] = {
    XRAY_25_9: "Xray 25.9.10 or newer",
    V2FLY: "v2fly 4.35 or newer, or Xray 1.5.4 to 25.9.5",
    V2RAY: "V2Ray up to 4.34",
    XRAY_1: "Xray up to 1.5.3",
}
"""Who speaks it, in words."""

_KNOWN = frozenset(DIALECTS)
MAX_REMEMBERED = 4096


def is_control(host: object) -> bool:
    """Whether a session to `host` is a control session, in any dialect."""
    return isinstance(host, str) and host.lower() in _KNOWN


def following(dialect: str) -> str:
    """The one to try next."""
    return DIALECTS[(DIALECTS.index(dialect) + 1) % len(DIALECTS)]


class DialectMemory:
    """Which dialect a bridge was last seen to speak, by its credential. `fixed`: do not find out, it is this one."""

    __slots__ = ("_confirmed", "_last", "fixed")

    def __init__(self, fixed: str | None = None) -> None:
        self.fixed = fixed
        self._last: dict[str, str] = {}
        self._confirmed: set[tuple[str, str]] = set()

    def first_guess(self, credential: str) -> str:
        return self.fixed or self._last.get(credential, DIALECTS[0])

    def is_confirmed(self, credential: str, dialect: str) -> bool:
        """This bridge has understood `dialect` before."""
        return bool(self.fixed) or (credential, dialect) in self._confirmed

    def is_found(self, credential: str, dialect: str) -> bool:
        """This bridge has refused other names."""
        return dialect != DIALECTS[0] and self._last.get(credential) == dialect

    def wrong(self, credential: str, dialect: str) -> str:
        """`dialect` was not understood: the next one to try. It is the first guess for this credential from now on."""
        if self.fixed:
            return self.fixed
        next_one = following(dialect)
        self._remember(credential, next_one)
        return next_one

    def suspect(self, credential: str, dialect: str) -> str:
        """It looks as if `dialect` had not been understood; the next one to try. Believed at the second time if it once was."""
        if self._is_forgiven(credential, dialect):
            return dialect
        return self.wrong(credential, dialect)

    def lost(self, credential: str, dialect: str) -> str:
        """A carrier was lost as by a bridge that heard no heartbeat. Only Xray from 25.9.10 gives one up for that."""
        if self.fixed or dialect == XRAY_25_9 or self._is_forgiven(credential, dialect):
            return dialect
        self._remember(credential, XRAY_25_9)
        return XRAY_25_9

    def right(self, credential: str, dialect: str) -> None:
        """`dialect` was understood: a carrier came in answer to a DRAIN."""
        if not self.fixed and (credential, dialect) not in self._confirmed:
            self._remember(credential, dialect)
            if len(self._confirmed) >= MAX_REMEMBERED:
                self._confirmed.clear()
            self._confirmed.add((credential, dialect))

    def _is_forgiven(self, credential: str, dialect: str) -> bool:
        """Whether it was understood before. A bridge may have been replaced by another core since: so only once."""
        if (credential, dialect) not in self._confirmed:
            return False
        self._confirmed.discard((credential, dialect))
        return True

    def _remember(self, credential: str, dialect: str) -> None:
        if credential not in self._last and len(self._last) >= MAX_REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[credential] = dialect
