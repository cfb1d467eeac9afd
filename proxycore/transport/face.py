"""The two faces of a layer: LowerFace is the peer of the stream below, UpperFace what the protocol above is joined to.

A subclass of UpperFace says what its bytes look like (`_send`, `_on_data`), and calls `_ready` when its handshake is over.
Until then what the protocol writes is kept, and its ends wait.
"""

from __future__ import annotations

import socket
from collections.abc import Hashable

from proxycore.errors import LinkDown, PeerError
from proxycore.net.limits import Limits
from proxycore.net.wheel import Wheel
from proxycore.stream import NULL_STREAM, Buffer, Stream


class LowerFace(Stream):
    """The lower stream's peer: tells UpperFace what happens below."""

    __slots__ = ("upper",)

    def __init__(self, upper: UpperFace) -> None:
        self.upper = upper

    @property
    def is_unready(self) -> bool:
        """The handshake is under way, and nobody is above yet."""
        return self.upper.is_connecting and self.upper.peer is NULL_STREAM

    def write(self, data: Buffer) -> None:
        if not self.upper.is_over:
            self.upper._on_data(data)

    def write_eof(self) -> None:
        self.upper._on_eof()

    def close(self) -> None:
        self.upper._on_close()

    def abort(self, error: Exception | None) -> None:
        self.upper._on_abort(error)

    def pause(self) -> None:
        self.upper._on_pause()

    def resume(self) -> None:
        self.upper._on_resume()

    def touch(self) -> None:
        self.upper.peer.touch()


class UpperFace(Stream):
    """What the protocol above sees. Without a subclass it hands everything on as it is."""

    __slots__ = (
        "_is_closing", "_is_lower_full", "_is_upper_paused", "_kept", "_lower", "_received_end", "_sent_end", "_wheel", "is_over",
        "is_ready", "wheel_slot",
    )

    handshake = "handshake"         # what `_ready` ends, in words

    def __init__(self, lower: Stream, wheel: Wheel, timeout_s: float) -> None:
        """`timeout_s`: from here to `_ready`."""
        self.peer: Stream = NULL_STREAM
        self.wheel_slot = -1
        self.is_ready = False
        self.is_over = False            # both neighbours have been left
        self._lower = lower
        self._wheel = wheel
        self._kept: list[bytes] = []    # written before it was ready
        self._is_lower_full = False
        self._is_upper_paused = False
        self._is_closing = False        # asked for before it was ready
        self._sent_end = False
        self._received_end = False
        lower.peer = LowerFace(self)
        wheel.watch(self, timeout_s)

    @property
    def is_connecting(self) -> bool:
        return not self.is_ready and not self.is_over

    def touch(self) -> None:
        self._lower.touch()

    def claim(self, owner: Hashable) -> None:
        self._lower.claim(owner)

    def carried_by(self) -> socket.socket | None:
        return self._lower.carried_by()

    def obey(self, limits: Limits) -> None:
        self._lower.obey(limits)

    # what a subclass says

    def _send(self, data: Buffer) -> None:
        """Send what the protocol wrote."""
        self._lower.write(data)

    def _send_end(self) -> None:
        """The protocol has finished writing."""
        self._lower.write_eof()

    def _send_farewell(self) -> None:
        """The stream below is about to be closed."""

    def _on_data(self, data: Buffer) -> None:
        """Bytes came from below; valid during the call only."""
        self.peer.write(data)

    def _ready(self) -> None:
        """The handshake is over: what was kept goes out."""
        self.is_ready = True
        self._wheel.forget(self)
        kept, self._kept = self._kept, []
        self.peer.on_connected()
        if kept and not self.is_over:
            self._send(b"".join(kept))
        if self.is_over:
            return
        if self._is_closing:
            self._end()
            return
        if self._sent_end:
            self._send_end()
        elif kept and not self._is_lower_full and not self.is_over:
            self.peer.resume()
        if self._is_upper_paused and not self.is_over:
            self._lower.pause()

    def fail(self, error: Exception | None) -> None:
        """The far end broke the rules, or its time is over: end both neighbours."""
        if not self.is_over:
            peer = self._part()
            self._lower.abort(error)
            peer.abort(error)

    def on_watch(self) -> None:
        if not self.is_ready:
            self.fail(LinkDown(f"no {self.handshake} in time"))

    # what the protocol does

    def write(self, data: Buffer) -> None:
        if self._sent_end:
            return
        if self.is_ready:
            self._send(data)
        else:
            self._kept.append(bytes(data))
            self.peer.pause()

    def write_eof(self) -> None:
        if self._sent_end:
            return
        self._sent_end = True
        if self.is_ready:
            self._send_end()
            if self._received_end:
                self._end()

    def close(self) -> None:
        if self.is_over or self._is_closing:
            return
        self._sent_end = True
        if self.is_ready or not self._kept:
            self._end()
        else:
            self._is_closing = True
            self.peer = NULL_STREAM

    def abort(self, error: Exception | None) -> None:
        if not self.is_over:
            self._part()
            self._lower.abort(error)

    def pause(self) -> None:
        self._is_upper_paused = True
        if self.is_ready and not self.is_over:
            self._lower.pause()

    def resume(self) -> None:
        self._is_upper_paused = False
        if self.is_ready and not self.is_over:
            self._lower.resume()

    # what happens below

    def _on_eof(self) -> None:
        if self.is_over:
            return
        if not self.is_ready:
            self.fail(PeerError(f"it ended within the {self.handshake}"))
        elif not self._received_end:
            self._received_end = True
            self.peer.write_eof()
            if self._sent_end and not self.is_over:
                self._end()

    def _on_close(self) -> None:
        if self.is_over:
            return
        if self.is_ready:
            self._part().close()
        else:
            self._part().abort(PeerError(f"it was closed within the {self.handshake}"))

    def _on_abort(self, error: Exception | None) -> None:
        if not self.is_over:
            self._part().abort(error)

    def _on_pause(self) -> None:
        self._is_lower_full = True
        self.peer.pause()

    def _on_resume(self) -> None:
        self._is_lower_full = False
        if self.is_ready:
            self.peer.resume()

    def _end(self) -> None:
        """Close the stream below, once."""
        if not self.is_over:
            if self.is_ready:
                self._send_farewell()
            if not self.is_over:        # it may have broken while it was told
                self._part()
                self._lower.close()

    def _part(self) -> Stream:
        """It is over: leave both neighbours; return the upper one."""
        self.is_over = self._sent_end = self._received_end = True
        self._kept.clear()
        self._wheel.forget(self)
        peer, self.peer = self.peer, NULL_STREAM
        self._lower.peer = NULL_STREAM
        return peer
