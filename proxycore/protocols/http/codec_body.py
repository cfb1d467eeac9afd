"""Where the body of an HTTP/1 message ends. Bodies are passed on as they are; only their bytes are counted.

    chunked   size in hex [; extension] CR LF | data CR LF | ... | 0 CR LF | trailer lines | CR LF

Source: RFC 9112 sections 6 and 7.
"""

from __future__ import annotations

from typing import Protocol

from proxycore.errors import LimitError, PeerError
from proxycore.stream import Buffer

MAX_SIZE_LINE_BYTES = 4096
MAX_SIZE_DIGITS = 15
MAX_TRAILER_BYTES = 64 * 1024


class Body(Protocol):
    is_done: bool

    def feed(self, data: Buffer) -> int:
        """How many bytes of `data`, from its beginning, belong to the body. Raises: PeerError, it is broken."""


class SizedBody:
    """A body of a stated length."""

    __slots__ = ("_left", "is_done")

    def __init__(self, length: int) -> None:
        self._left = length
        self.is_done = length == 0

    def feed(self, data: Buffer) -> int:
        size = min(len(data), self._left)
        self._left -= size
        self.is_done = self._left == 0
        return size


class EndlessBody:
    """A body that ends with its connection."""

    __slots__ = ("is_done",)

    def __init__(self) -> None:
        self.is_done = False

    def feed(self, data: Buffer) -> int:
        return len(data)


class ChunkedBody:
    """A body in chunks; it ends behind the trailer."""

    __slots__ = ("_in_trailer", "_left", "_line", "_trailer_bytes", "is_done")

    def __init__(self) -> None:
        self._left = 0              # bytes of the chunk and of the CR LF behind it
        self._line = bytearray()
        self._in_trailer = False
        self._trailer_bytes = 0
        self.is_done = False

    def feed(self, data: Buffer) -> int:
        view = memoryview(data)
        at, size = 0, len(view)
        while at < size and not self.is_done:
            if self._left > 2:
                step = min(self._left - 2, size - at)
                self._left -= step
                at += step
            elif self._left:
                if view[at] != b"\r\n"[2 - self._left]:
                    raise PeerError("a chunk that is not followed by CR LF")
                self._left -= 1
                at += 1
            else:
                at += self._read_line(bytes(view[at:at + MAX_SIZE_LINE_BYTES]))
        return at

    def _read_line(self, data: bytes) -> int:
        """Take what belongs to the current line; the number of bytes."""
        end = data.find(b"\n") + 1
        self._line += data[:end or len(data)]
        if len(self._line) > MAX_SIZE_LINE_BYTES:
            raise LimitError("bytes of a line between chunks", got=len(self._line), limit=MAX_SIZE_LINE_BYTES)
        if not end:
            return len(data)
        line = bytes(self._line)
        self._line.clear()
        if not line.endswith(b"\r\n"):
            raise PeerError("a line between chunks that does not end in CR LF")
        if self._in_trailer:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > MAX_TRAILER_BYTES:
                raise LimitError("bytes of a trailer", got=self._trailer_bytes, limit=MAX_TRAILER_BYTES)
            self.is_done = line == b"\r\n"
            return end
        digits = line[:-2].partition(b";")[0].strip(b" \t")
        if not 0 < len(digits) <= MAX_SIZE_DIGITS or digits.strip(b"0123456789abcdefABCDEF"):
            raise PeerError("a chunk without a size")
        length = int(digits, 16)
        if length:
            self._left = length + 2
        else:
            self._in_trailer = True
        return end
