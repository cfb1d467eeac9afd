"""The offer of the extension and its answer, in a field of the control message that other cores skip. No I/O, no randomness.

    message Control   { ... bytes xrev = 2047; }
    message Extension { uint32 version = 1; fixed64 nonce = 2; uint32 window = 3; bool is_answer = 4; }

Specified in docs/protocol-extension.md.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from proxycore.errors import PeerError
from proxycore.mux.extension import MAX_INITIAL_WINDOW_BYTES, MIN_INITIAL_WINDOW_BYTES
from proxycore.reverse.control import encode_varint, fields
from proxycore.stream import Buffer

VERSION = 1
"""The highest that we speak."""

FIELD = 2047
MAX_EXTENSION_BYTES = 256

_VERSION, _NONCE, _WINDOW, _IS_ANSWER = 1, 2, 3, 4
_FIXED64 = Struct("<Q")


class Extension(NamedTuple):
    """What one side says. An offer's `version` is the highest that it speaks; an answer's the one that is spoken."""

    version: int
    nonce: int          # u64, of the offer; the answer repeats it
    window: int         # bytes that the other side may send on a session before it has heard of more
    is_answer: bool


def encode_extension(extension: Extension) -> bytes:
    """Fields of the control message."""
    body = b"%b%b%b%b%b%b" % (
        encode_varint(_VERSION << 3), encode_varint(extension.version),
        encode_varint(_NONCE << 3 | 1), _FIXED64.pack(extension.nonce),
        encode_varint(_WINDOW << 3), encode_varint(extension.window),
    )
    if extension.is_answer:
        body += encode_varint(_IS_ANSWER << 3) + b"\x01"
    return b"%b%b%b" % (encode_varint(FIELD << 3 | 2), encode_varint(len(body)), body)


def decode_extension(data: Buffer) -> Extension | None:
    """What a control message says of the extension; None: nothing that we can use.

    Raises: PeerError, this is not protobuf.
    """
    found: Extension | None = None
    for number, value in fields(data):
        if number == FIELD and isinstance(value, bytes) and len(value) <= MAX_EXTENSION_BYTES:
            found = _decode(value)
    return found


def _decode(data: bytes) -> Extension | None:
    version = nonce = window = is_answer = 0
    for number, value in fields(data):
        if number == _NONCE:
            if not isinstance(value, bytes) or len(value) != _FIXED64.size:
                raise PeerError("an extension whose nonce is none")
            nonce = int(_FIXED64.unpack(value)[0])
        elif isinstance(value, int):
            if number == _VERSION:
                version = value
            elif number == _WINDOW:
                window = value
            elif number == _IS_ANSWER:
                is_answer = value
    if not version or not nonce or not MIN_INITIAL_WINDOW_BYTES <= window <= MAX_INITIAL_WINDOW_BYTES:
        return None
    return Extension(version, nonce, window, bool(is_answer))
