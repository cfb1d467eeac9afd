"""Frames that only two peers of ours exchange, once both have said that they know them. No I/O, no clock, no logging.

    meta  = u16 session id | u8 status | u8 option | extra       as in codec.py; big-endian
        0x21 Credit   extra = u32 bytes     the sender of this frame takes so much more payload on the session
        0x22 Finish   no extra              the sender sends no more payload on the session; it still takes some
        0x23 Reset    extra = u8 reason     the session is over, in both directions, and not in order
        0x24 Ping     extra = u64 token     session id 0; answered at once with
        0x25 Pong     extra = u64 token     the same token
        0x26 Forget   extra = u64 nonce     session id 0; another carrier, by its offer's nonce, is lost
    option of New: 0x10 Credited            the session begins with the credit that both sides stated

Specified in docs/protocol-extension.md. Any other core takes these statuses for the end of the carrier.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final

from proxycore.errors import PeerError
from proxycore.stream import Buffer

CREDIT: Final = 0x21
FINISH: Final = 0x22
RESET: Final = 0x23
PING: Final = 0x24
PONG: Final = 0x25
FORGET: Final = 0x26
OPTION_CREDITED: Final = 0x10

MAX_CREDIT_BYTES = 1 << 30
"""What may be granted at most ahead of what was sent."""

_HEAD = Struct(">HHBB")
_CREDIT = Struct(">HHBBI")
_RESET = Struct(">HHBBB")
_NUMBER = Struct(">HHBBQ")
_U32 = Struct(">I")
_U64 = Struct(">Q")


class Reason(IntEnum):
    """Why a session was reset. A number that is not known counts as UNSPECIFIED."""

    UNSPECIFIED = 0
    UNREACHABLE = 1         # the target could not be connected to
    LOST = 2                # a connection was reset, or was idle for too long
    OVERLOADED = 3          # too much waited for its reader

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS = {
    Reason.UNSPECIFIED: "the session was reset", Reason.UNREACHABLE: "the target cannot be reached",
    Reason.LOST: "the connection behind the tunnel was lost", Reason.OVERLOADED: "too much waited for its reader",
}


def encode_credit(session_id: int, size: int) -> bytes:
    return _CREDIT.pack(8, session_id, CREDIT, 0, size)


def decode_credit(extra: Buffer) -> int:
    """Raises: PeerError, no number, or one that cannot be."""
    if len(extra) < _U32.size:
        raise PeerError("a Credit frame without its number")
    size = int(_U32.unpack_from(extra)[0])
    if not 0 < size <= MAX_CREDIT_BYTES:
        raise PeerError(f"a credit of {size} bytes")
    return size


def encode_finish(session_id: int) -> bytes:
    return _HEAD.pack(4, session_id, FINISH, 0)


def encode_reset(session_id: int, reason: Reason) -> bytes:
    return _RESET.pack(5, session_id, RESET, 0, reason)


def decode_reset(extra: Buffer) -> Reason:
    try:
        return Reason(extra[0])
    except (IndexError, ValueError):
        return Reason.UNSPECIFIED


def encode_ping(token: int) -> bytes:
    return _NUMBER.pack(12, 0, PING, 0, token)


def encode_pong(token: int) -> bytes:
    return _NUMBER.pack(12, 0, PONG, 0, token)


def encode_forget(nonce: int) -> bytes:
    return _NUMBER.pack(12, 0, FORGET, 0, nonce)


def decode_number(extra: Buffer) -> int:
    """The token of a Ping or Pong, the nonce of a Forget. Raises: PeerError, there is none."""
    if len(extra) < _U64.size:
        raise PeerError("a frame without its number")
    return int(_U64.unpack_from(extra)[0])
