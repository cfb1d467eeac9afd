"""Two streams as the ends of one wire, moved by hand: what one end is told is delivered at the other by `pump`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from proxycore.stream import NULL_STREAM, Buffer, Stream


class WireEnd(Stream):
    def __init__(self, queue: deque[Callable[[], None]], step: int) -> None:
        self.peer: Stream = NULL_STREAM
        self.other: WireEnd
        self.sent = bytearray()
        self.is_closed = False
        self.is_paused = False
        self._queue = queue
        self._step = step

    def write(self, data: Buffer) -> None:
        assert not self.is_closed, "written to after its end"
        copy = bytes(data)
        self.sent += copy
        step = self._step or len(copy) or 1
        for start in range(0, len(copy), step):
            self._queue.append(lambda piece=copy[start:start + step]: self.other.peer.write(piece))  # type: ignore[misc]

    def write_eof(self) -> None:
        self._queue.append(lambda: self.other.peer.write_eof())

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._queue.append(lambda: self.other.peer.write_eof())

    def abort(self, error: Exception | None) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._queue.append(lambda: self.other.peer.abort(None))

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


class Wire:
    """`step`: pieces are at most so long; 0 leaves them as they are."""

    def __init__(self, step: int = 0) -> None:
        self._queue: deque[Callable[[], None]] = deque()
        self.client, self.server = WireEnd(self._queue, step), WireEnd(self._queue, step)
        self.client.other, self.server.other = self.server, self.client

    def pump(self) -> None:
        while self._queue:
            self._queue.popleft()()
