"""Whose request this is. Bytes 6 and 7 of an id mean nothing (Xray from 25.8.29: clients may put routing hints there)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field


def significant(user_id: bytes) -> bytes:
    """The id with the bytes zeroed that do not count."""
    return user_id[:6] + b"\x00\x00" + user_id[8:]


@dataclass(frozen=True, slots=True)
class Credential:
    """One user of an inbound. The repr shows no id."""

    user_id: bytes = field(repr=False)
    email: str = ""
    level: int = 0
    tunnel_tag: str = ""        # the reverse tunnel that this user's connections carry, and nothing else; "": an ordinary user


class Users:
    """The users of one inbound. Where two ids do not differ in what counts, the later user is meant, as in Xray."""

    __slots__ = ("_by_id",)

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._by_id = {significant(credential.user_id): credential for credential in credentials}

    def knows(self, credential: Hashable) -> bool:
        """Whether it is that of a user."""
        return isinstance(credential, Credential) and self.find(credential.user_id) == credential

    def take(self, other: Users) -> None:
        """Go on with the users of `other`."""
        self._by_id = other._by_id

    def find(self, user_id: bytes) -> Credential | None:
        return self._by_id.get(significant(user_id))
