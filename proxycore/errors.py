"""Every exception of the data plane, named for what the catcher does with it.

    ProxyError
    ├── ConfigError        the document is wrong at this JSON pointer    -> shown beside the field
    ├── PeerError          they broke the protocol                       -> close that connection, count it
    │   ├── LimitError     ... by exceeding a stated bound
    │   └── AuthError      unknown id, bad tag, replay, clock            -> drain, close, answer nothing
    ├── LinkDown           a carrier or a transport went away            -> end the session, retry by policy
    ├── DialError          the destination could not be reached          -> end the session
    │   └── Blocked        ... because a rule of freedom forbids it      -> swallow what the client sends
    └── UsageError         *we* broke the protocol                       -> nobody: it is a bug

An exception carries facts as attributes, never a credential or payload.
"""

from __future__ import annotations


class ProxyError(Exception):
    """Root of the tree; never raised itself."""


class ConfigError(ProxyError):
    """The document cannot be run: `path` is the place (`inbounds[0].port`), `reason` one sentence."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class PeerError(ProxyError):
    """The other side sent something that its protocol does not allow.

    `kind`: what refusals are counted by, see messages/events.py. `seconds`: by how much its clock is off, where that is why.
    """

    kind = "malformed"
    seconds: float | None = None


class LimitError(PeerError):
    """The other side exceeded a bound: `got` more than `limit` of `what`."""

    kind = "limit"

    def __init__(self, what: str, *, got: int, limit: int) -> None:
        super().__init__(f"{what}: {got} is above the limit of {limit}")
        self.what = what
        self.got = got
        self.limit = limit


class AuthError(PeerError):
    """The other side could not prove who it is; `reason` is for our log only, never for the wire."""

    def __init__(self, reason: str, kind: str = "unknown_user", seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.seconds = seconds


class LinkDown(ProxyError):
    """What carried the stream is gone, or there is nothing that could carry it."""


class DialError(ProxyError):
    """`destination` (as text, for people) could not be reached because of `reason`."""

    def __init__(self, destination: str, reason: str) -> None:
        super().__init__(f"{destination}: {reason}")
        self.destination = destination
        self.reason = reason


class Blocked(DialError):
    """`destination` may not be reached: a rule of the outbound forbids it, and says for how long the client is held."""

    def __init__(self, destination: str, reason: str, hold_s: tuple[int, int]) -> None:
        super().__init__(destination, reason)
        self.hold_s = hold_s            # from, to


class UsageError(ProxyError):
    """Our own code called something out of order."""
