"""What happens at the beginning of a connection: a PROXY header, pieces instead of writes, an address that is not allowed.

Once that is over the two neighbours are joined to each other, and nothing of this is on their way any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from proxycore.errors import Blocked, LinkDown
from proxycore.net.limits import Limits
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel
from proxycore.protocols.freedom.codec_fragment import Fragmenter, Piece
from proxycore.stream import NULL_STREAM, Buffer, Stream

PIECES_PER_TURN = 64
"""Pieces without a delay that are sent before other connections have their turn."""


class Opening(Stream):
    """Stands between the client's stream (`peer`) and `out`, which is still connecting, and keeps what is written until then."""

    __slots__ = (
        "_fragmenter", "_has_finished", "_header", "_held", "_is_closing", "_is_full", "_is_open", "_is_over", "_loop",
        "_on_blocked", "_out", "_pieces", "_timer",
    )

    def __init__(
        self,
        out: Stream,
        loop: Loop,
        *,
        header: Callable[[], bytes] | None,
        fragmenter: Fragmenter | None,
        on_blocked: Callable[[Stream, tuple[int, int]], None],
    ) -> None:
        """`header` is asked once `out` has connected; `on_blocked` takes the client over where `out` may not be reached, for
        so many seconds."""
        self.peer: Stream = NULL_STREAM
        self._out = out
        self._loop = loop
        self._header = header
        self._fragmenter = fragmenter
        self._on_blocked = on_blocked
        self._held: list[bytes] = []                    # writes that wait; the peer is paused
        self._pieces: Iterator[Piece] | None = None     # of the write that is being sent
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False           # connected, and nothing waits for the end of that turn
        self._is_full = False           # `out` cannot take more
        self._has_finished = False      # write_eof was asked for
        self._is_closing = False
        self._is_over = False
        out.peer = _Below(self)
        if not out.is_connecting:
            loop.call_soon(self._open)

    @property
    def is_connecting(self) -> bool:
        return not self._is_over and self._out.is_connecting

    def touch(self) -> None:
        self._out.touch()

    def obey(self, limits: Limits) -> None:
        self._out.obey(limits)

    # what the client's stream does

    def write(self, data: Buffer) -> None:
        if self._is_over:               # joined already: who held us for the rest of a turn still gets through
            self._out.write(data)
            return
        if self._has_finished:
            return
        self._held.append(bytes(data))
        if self._is_open and self._timer is None and self._pieces is None:
            self._pump()
        if not self._is_over and self._is_waiting:
            self.peer.pause()

    def write_eof(self) -> None:
        if self._is_over:
            self._out.write_eof()
        elif not self._has_finished:
            self._has_finished = True
            if self._is_open and not self._is_waiting:
                self._out.write_eof()

    def close(self) -> None:
        if self._is_over or (self._is_open and not self._is_waiting) or not (self._held or self._pieces or self._header):
            self._leave()
            self._out.close()
            return
        self._is_closing = self._has_finished = True
        self.peer = NULL_STREAM

    def abort(self, error: Exception | None) -> None:
        self._leave()
        self._out.abort(error)

    def pause(self) -> None:
        self._out.pause()

    def resume(self) -> None:
        self._out.resume()

    # what `out` does

    def on_below_connected(self) -> None:
        self.peer.on_connected()
        if not self._is_over:
            # The socket would join what is written now into one; at the end of the turn each write is one of its own.
            self._loop.call_soon(self._open)

    def on_below_paused(self) -> None:
        self._is_full = True
        self.peer.pause()

    def on_below_resumed(self) -> None:
        self._is_full = False
        if self._is_open and self._timer is None and self._is_waiting:
            self._pump()
        elif self._is_open and not self._is_waiting:
            self.peer.resume()

    def on_below_aborted(self, error: Exception | None) -> None:
        peer = self.peer
        self._leave()
        if isinstance(error, Blocked) and peer is not NULL_STREAM:
            self._on_blocked(peer, error.hold_s)
        else:
            peer.abort(error)

    def on_below_closed(self) -> None:
        peer = self.peer
        self._leave()
        peer.close()

    # between

    @property
    def _is_waiting(self) -> bool:
        return bool(self._held) or self._pieces is not None

    def _open(self) -> None:
        if self._is_over:
            return
        self._is_open = True
        if self._header is not None:
            header, self._header = self._header(), None
            self._out.write(header)
        if not self._is_over:
            self._pump()

    def _pump(self) -> None:
        """Send what waits, as far as it may go now."""
        self._timer = None
        for _ in range(PIECES_PER_TURN):
            if self._is_full or self._is_over:
                return
            piece = self._next()
            if piece is None:
                self._emptied()
                return
            self._out.write(piece.data)
            if piece.delay_ms and not self._is_over:
                self._timer = self._loop.call_later(piece.delay_ms / 1000, self._pump)
                return
        if not self._is_over:
            self._timer = self._loop.call_later(0, self._pump)

    def _next(self) -> Piece | None:
        while True:
            if self._pieces is not None:
                piece = next(self._pieces, None)
                if piece is not None:
                    return piece
                self._pieces = None
            if not self._held:
                return None
            data = self._held.pop(0)
            self._pieces = iter((Piece(data, 0),)) if self._fragmenter is None else self._fragmenter.cut(data)

    def _emptied(self) -> None:
        """Nothing waits any more."""
        if self._is_closing:
            self._leave()
            self._out.close()
            return
        peer = self.peer
        if self._fragmenter is None or self._fragmenter.is_done:
            self._join()
        if self._has_finished:
            self._out.write_eof()
        else:
            peer.resume()

    def _join(self) -> None:
        """Leave the two to themselves, unless somebody else has taken one of them over."""
        if self.peer.peer is self:
            self._out.peer, self.peer.peer = self.peer, self._out
            self._is_over = True
            self.peer = NULL_STREAM

    def _leave(self) -> None:
        self._is_over = True
        self.peer = NULL_STREAM
        self._held.clear()
        self._pieces = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Below(Stream):
    """The peer of `out`: tells Opening what happens there."""

    __slots__ = ("_opening",)

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    def write(self, data: Buffer) -> None:
        self._opening.peer.write(data)

    def write_eof(self) -> None:
        self._opening.peer.write_eof()

    def close(self) -> None:
        self._opening.on_below_closed()

    def abort(self, error: Exception | None) -> None:
        self._opening.on_below_aborted(error)

    def pause(self) -> None:
        self._opening.on_below_paused()

    def resume(self) -> None:
        self._opening.on_below_resumed()

    def on_connected(self) -> None:
        self._opening.on_below_connected()

    def touch(self) -> None:
        self._opening.peer.touch()


class Swallowed(Stream):
    """A client whose target is not allowed: it is not refused, what it sends is thrown away, and after a while it is closed."""

    __slots__ = ("_wheel", "wheel_slot")

    def __init__(self, client: Stream, wheel: Wheel, delay_s: int) -> None:
        self.peer = client
        self.wheel_slot = -1
        self._wheel = wheel
        client.peer = self
        wheel.watch(self, delay_s)

    def write(self, data: Buffer) -> None:
        pass

    def write_eof(self) -> None:
        self._end()

    def close(self) -> None:
        self._wheel.forget(self)
        self.peer = NULL_STREAM

    def abort(self, error: Exception | None) -> None:
        self.close()

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def on_watch(self) -> None:
        self._end()

    def _end(self) -> None:
        peer = self.peer
        self.close()
        peer.abort(LinkDown("its target is not allowed"))
