"""Whose request this is. The reasons in AuthError.reason are for our log; outside, all failures look the same.

Source: Xray-core proxy/vmess/aead/authid.go and proxy/vmess/validator.go.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from proxycore.errors import AuthError
from proxycore.protocols.vmess import kdf
from proxycore.protocols.vmess.header_codec import RequestHeader
from proxycore.protocols.vmess.ids import command_key
from proxycore.protocols.vmess.replay import ReplayWindow

MAX_CLOCK_OFFSET_S = 120            # between the client's clock and ours, either way
AUTH_ID_WINDOW_S = 2 * MAX_CLOCK_OFFSET_S       # as long as a timestamp can be acceptable
SESSION_WINDOW_S = 180              # in which one user's body key and IV are taken once

UNKNOWN_USER = "unknown user"
BAD_CLOCK = "clock"
REPLAYED = "replay"

_TIME = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class VmessCredential:
    """One user of an inbound. The repr shows no id and no key."""

    user_id: bytes = field(repr=False)
    email: str = ""
    level: int = 0
    sends_end_mark: bool = True
    command_key: bytes = field(init=False, repr=False, compare=False)
    open_auth_id: Callable[[bytes], bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "command_key", command_key(self.user_id))
        object.__setattr__(self, "open_auth_id", _auth_id_opener(self.command_key))


class SeenRequests:
    """What was taken lately, by all inbounds together: it outlives each of them."""

    __slots__ = ("auth_ids", "sessions")

    def __init__(self) -> None:
        self.auth_ids = ReplayWindow(AUTH_ID_WINDOW_S)
        self.sessions = ReplayWindow(SESSION_WINDOW_S)


class Authenticator:
    """The users of one inbound. One AES key schedule is kept per user, so that a lookup costs one AES block per user."""

    __slots__ = ("_known", "_now", "_seen", "_users")

    def __init__(
        self, credentials: Sequence[VmessCredential], now: Callable[[], float], seen: SeenRequests | None = None
    ) -> None:
        """`now` is Unix time in seconds."""
        self._now = now
        self._users = [(credential.open_auth_id, credential) for credential in credentials]
        self._known = frozenset(credentials)
        self._seen = SeenRequests() if seen is None else seen

    def knows(self, credential: Hashable) -> bool:
        """Whether it is that of a user."""
        return credential in self._known

    def take_users(self, other: Authenticator) -> None:
        """Go on with the users of `other`. What was seen stays remembered: nothing can be replayed because users changed."""
        self._users, self._known = other._users, other._known

    def authenticate(self, auth_id: bytes) -> VmessCredential:
        """Return the user who made this authID.

        Raises: AuthError, nobody did, its time is off (the reason says by how much), or it was seen before.
        """
        credential, sent_s = self._match(auth_id)
        now = self._now()
        if sent_s < 0:
            raise AuthError(f"{BAD_CLOCK}: a time before 1970", BAD_CLOCK)
        if abs(sent_s - now) > MAX_CLOCK_OFFSET_S:
            raise AuthError(f"{BAD_CLOCK}: the client's is {sent_s - now:+.0f} s off", BAD_CLOCK, sent_s - now)
        if not self._seen.auth_ids.is_new(auth_id, now):
            raise AuthError(f"{REPLAYED} of a request", REPLAYED)
        return credential

    def _match(self, auth_id: bytes) -> tuple[VmessCredential, int]:
        """The user under whose key the block has a valid checksum, and the time in it.

        All users are tried, also after a match: a replayed block must not be refused sooner than an invented one.
        """
        found: tuple[VmessCredential, int] | None = None
        for open_block, credential in self._users:
            plain = open_block(auth_id)
            if crc32(plain[:12]).to_bytes(4, "big") == plain[12:] and found is None:
                found = credential, _TIME.unpack_from(plain)[0]
        if found is None:
            raise AuthError(UNKNOWN_USER)
        return found

    def accept_session(self, credential: VmessCredential, header: RequestHeader) -> None:
        """Raises: AuthError, this user had a session with the same key and IV lately, or is one no more."""
        if credential not in self._known:
            raise AuthError(UNKNOWN_USER)
        if not self._seen.sessions.is_new((credential.user_id, header.body_key, header.body_iv), self._now()):
            raise AuthError(f"{REPLAYED} of a session", REPLAYED)


def _auth_id_opener(command_key: bytes) -> Callable[[bytes], bytes]:
    # ECB of single blocks: the context has no state between blocks, so one serves every connection.
    return Cipher(algorithms.AES(kdf.kdf16(command_key, kdf.AUTH_ID)), modes.ECB()).decryptor().update
