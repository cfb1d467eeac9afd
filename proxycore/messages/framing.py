"""Messages on a byte stream: a big-endian u32 of the length, then so many bytes of JSON."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

from proxycore.errors import LimitError

MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
"""A document of 20,000 clients is some 5 MiB."""

_LENGTH: Final = struct.Struct(">I")


def encode(message: BaseModel) -> bytes:
    return frame(message.model_dump_json().encode())


def frame(body: bytes) -> bytes:
    """A message that is JSON already."""
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a stream into messages' bytes."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that `data` completes. Raises: LimitError, one is longer than MAX_FRAME_BYTES."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME_BYTES:
                raise LimitError("bytes of a message", got=length, limit=MAX_FRAME_BYTES)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            frame = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield frame
