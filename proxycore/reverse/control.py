"""The control message of a reverse tunnel. No I/O; randomness is an argument.

    message Control { State state = 1; bytes random = 99; }      State: ACTIVE = 0, DRAIN = 1

Source: Xray-core app/reverse/config.proto. Unknown fields are skipped, the last value wins, an absent state is ACTIVE.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxycore.errors import PeerError
from proxycore.stream import Buffer

ACTIVE = 0
DRAIN = 1

MIN_PADDING_BYTES, MAX_PADDING_BYTES = 1, 64
_STATE_KEY = 1 << 3             # field 1, varint
_RANDOM_TAG = b"\x9a\x06"       # field 99, length-delimited
_MAX_VARINT_BYTES = 10


def encode_control(state: int, padding: bytes, more: bytes = b"") -> bytes:
    """`padding` is MIN_PADDING_BYTES to MAX_PADDING_BYTES random bytes. `more`: further fields."""
    head = bytes((_STATE_KEY, state)) if state else b""
    return b"%b%b%c%b%b" % (head, _RANDOM_TAG, len(padding), padding, more)


def decode_state(data: Buffer) -> int:
    """The state of a control message; anything but ACTIVE means that the carrier gets no new sessions.

    Raises: PeerError, this is not protobuf.
    """
    state = ACTIVE
    for number, value in fields(data):
        if number == 1 and isinstance(value, int):
            state = value
    return state


def fields(data: Buffer) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: number, and value; the bytes of those that are not varints.

    Raises: PeerError, this is not protobuf.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire_type = key & 7
        if wire_type == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire_type == 2:
            size, at = _varint(data, at)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise PeerError(f"a control message with wire type {wire_type}")
        if at + size > len(data):
            raise PeerError("a control message that ends within a field")
        yield key >> 3, bytes(data[at : at + size])
        at += size


def encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _varint(data: Buffer, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at >= len(data):
            raise PeerError("a control message that ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at
    raise PeerError("a control message with an endless number")
