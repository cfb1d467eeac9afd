"""WebSocket frames (RFC 6455): the stream is what the messages hold, one after the other."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable
from typing import NamedTuple

from proxycore.errors import LimitError, PeerError
from proxycore.stream import Buffer

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"      # RFC 6455, section 1.3
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NORMAL_CLOSURE = b"\x03\xe8"                        # status 1000
MAX_CONTROL_BYTES = 125
MAX_FRAME_BYTES = 1 << 62
_MAX_HEAD_BYTES = 14
_U16, _U64 = struct.Struct(">H"), struct.Struct(">Q")


class Control(NamedTuple):
    """A ping, pong or close that came."""

    opcode: int
    payload: bytes


def accept_key(key: str) -> str:
    """The server's proof that it read `key` (Sec-WebSocket-Accept)."""
    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + GUID, usedforsecurity=False).digest()).decode()


def is_key(key: str) -> bool:
    """Whether it is 16 bytes in base64."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def encode_early(data: bytes) -> str:
    """First bytes of the stream for a header: base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_early(text: str) -> bytes | None:
    """The other way; "+/" and padding are accepted. None: it is something else."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def mask(data: Buffer, key: bytes) -> bytes:
    """`data` XOR `key`, over and over; as two very long numbers, which is some hundred times faster than by bytes."""
    size = len(data)
    pad = (key * ((size >> 2) + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")).to_bytes(size, "little")


def encode_frame(opcode: int, payload: Buffer, key: bytes | None) -> bytes:
    """One whole frame. `key`: 4 random bytes at the client, None at the server."""
    size = len(payload)
    bit = 0 if key is None else 0x80
    if size < 126:
        head = bytes((0x80 | opcode, bit | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, bit | 126)) + _U16.pack(size)
    else:
        head = bytes((0x80 | opcode, bit | 127)) + _U64.pack(size)
    return b"".join((head, payload)) if key is None else b"".join((head, key, mask(payload, key)))


class FrameDecoder:
    """Frames in, the bytes of messages out; control frames apart. `is_masked`: whether the far end is the client."""

    __slots__ = ("_control", "_fin", "_head", "_is_masked", "_key", "_left", "_offset", "_opcode", "_within_message", "ended")

    def __init__(self, *, is_masked: bool) -> None:
        self._is_masked = is_masked
        self._head = bytearray()        # of a frame whose head is not complete
        self._left = 0                  # bytes of the payload still to come
        self._key = b""
        self._offset = 0                # of the payload, modulo 4
        self._opcode = -1               # of the frame whose payload comes; -1: a head comes
        self._fin = True
        self._control = bytearray()
        self._within_message = False
        self.ended = False              # a close frame came: nothing counts after it

    @property
    def is_at_border(self) -> bool:
        """Between two messages."""
        return self._opcode < 0 and not self._head and not self._within_message

    def feed(self, data: Buffer, on_control: Callable[[Control], None]) -> Buffer:
        """What `data` adds to the stream; a view of `data` where that is possible.

        Raises: PeerError, it breaks the protocol; LimitError, a control frame is too long.
        """
        view = memoryview(data)
        position, size = 0, len(view)
        pieces: list[Buffer] = []
        while position < size and not self.ended:
            if self._opcode < 0:
                position = self._read_head(view, position)
                if self._opcode < 0:
                    break
                if self._left:
                    continue
            piece = view[position:position + self._left]
            position += len(piece)
            self._left -= len(piece)
            plain: Buffer = self._unmask(piece) if self._is_masked and len(piece) else piece
            if self._opcode >= CLOSE:
                self._control += plain
                if not self._left:
                    self._finish_control(on_control)
            else:
                if len(plain):
                    pieces.append(plain)
                if not self._left:
                    self._opcode = -1
                    self._within_message = not self._fin
        if len(pieces) == 1:
            return pieces[0]
        return b"".join(pieces)

    def _unmask(self, piece: memoryview) -> bytes:
        offset = self._offset
        self._offset = (offset + len(piece)) & 3
        return mask(piece, self._key[offset:] + self._key[:offset])

    def _finish_control(self, on_control: Callable[[Control], None]) -> None:
        control = Control(self._opcode, bytes(self._control))
        self._control.clear()
        self._opcode = -1
        self.ended = control.opcode == CLOSE
        on_control(control)

    def _read_head(self, view: memoryview, position: int) -> int:
        """Read a frame's head from `position`, or keep what there is of it; the position after it."""
        kept = len(self._head)
        self._head += view[position:position + _MAX_HEAD_BYTES - kept]
        head = self._head
        if len(head) < 2:
            return len(view)
        code = head[1] & 0x7F
        wide = 2 if code == 126 else 8 if code == 127 else 0
        size = 2 + wide + (4 if self._is_masked else 0)
        self._check(head[0], head[1])
        if len(head) < size:
            return len(view)
        self._left = code if not wide else (_U16 if wide == 2 else _U64).unpack_from(head, 2)[0]
        if self._left > MAX_FRAME_BYTES:
            raise LimitError("bytes of a frame", got=self._left, limit=MAX_FRAME_BYTES)
        self._key = bytes(head[size - 4:size]) if self._is_masked else b""
        self._offset = 0
        self._opcode = head[0] & 0x0F
        if self._opcode < CLOSE:
            self._fin = bool(head[0] & 0x80)
        head.clear()
        return position + size - kept

    def _check(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & 0x70:
            raise PeerError("a frame uses an extension that was not agreed on")
        if bool(second & 0x80) != self._is_masked:
            raise PeerError("a frame of a client is not masked" if self._is_masked else "a frame of a server is masked")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise PeerError("a frame has an unknown kind")
        if opcode >= CLOSE and not first & 0x80:
            raise PeerError("a control frame is cut")
        if opcode >= CLOSE and second & 0x7F > MAX_CONTROL_BYTES:
            raise LimitError("bytes of a control frame", got=second & 0x7F, limit=MAX_CONTROL_BYTES)
        if opcode < CLOSE and (opcode == CONTINUATION) != self._within_message:
            raise PeerError("a message begins within another, or goes on without one")
