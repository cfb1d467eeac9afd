"""A dialled stream on which something is said to the server before it carries the payload.

    stream  <->  WaitingFace | Negotiation  <->  dialled stream

When the server has agreed both step aside: the stream and the dialled one become each other's peers.
"""

from __future__ import annotations

from typing import Protocol

from proxycore.errors import LinkDown, PeerError
from proxycore.net.limits import Limits
from proxycore.net.wheel import Wheel
from proxycore.stream import NULL_STREAM, Buffer, Stream

NEGOTIATION_TIMEOUT_S = 60.0
"""From the dial to the server's last answer."""


class ClientCodec(Protocol):
    """The client's half of what is said."""

    is_done: bool       # the server has agreed
    rest: bytes         # what came behind its last answer

    def hello(self) -> bytes:
        """What to say first."""

    def feed(self, data: Buffer) -> bytes:
        """What to answer. Raises: PeerError, the server refused or does not speak this."""


class Negotiation(Stream):
    """The dialled stream's peer until the server has agreed."""

    __slots__ = ("_codec", "_front", "_is_over", "_lower", "_stream", "_wheel", "wheel_slot")

    def __init__(self, lower: Stream, stream: Stream, codec: ClientCodec, wheel: Wheel) -> None:
        """Joins `lower` and `stream` through itself, and says hello."""
        self._lower = lower
        self._stream = stream
        self._codec = codec
        self._wheel = wheel
        self._is_over = False
        self.wheel_slot = -1
        self._front = WaitingFace(self)
        lower.peer, stream.peer = self, self._front
        self._front.peer = stream
        wheel.watch(self, NEGOTIATION_TIMEOUT_S)
        lower.write(codec.hello())

    def write(self, data: Buffer) -> None:
        if self._is_over:
            self._lower.peer.write(data)        # a neighbour may still hold us for the turn in which we stepped aside
            return
        codec = self._codec
        try:
            answer = codec.feed(data)
        except PeerError as error:
            self._fail(error)
            return
        if answer:
            self._lower.write(answer)
        if codec.is_done and not self._is_over:
            self._step_aside()

    def write_eof(self) -> None:
        if self._is_over:
            self._lower.peer.write_eof()
        else:
            self._fail(PeerError("the server ended the connection before it had agreed"))

    def close(self) -> None:
        self.write_eof()

    def abort(self, error: Exception | None) -> None:
        if self._is_over:
            self._lower.peer.abort(error)
            return
        stream = self._stream
        self._finish()
        stream.abort(error)

    def pause(self) -> None:
        if self._is_over:
            self._lower.peer.pause()

    def resume(self) -> None:
        if self._is_over:
            self._lower.peer.resume()

    def on_watch(self) -> None:
        if not self._is_over:
            self._fail(LinkDown("the server did not answer in time"))

    def obey(self, limits: Limits) -> None:
        self._lower.obey(limits)

    def end(self, error: Exception | None, *, in_order: bool) -> None:
        """The stream gave up."""
        if self._is_over:
            return
        lower = self._lower
        self._finish()
        lower.peer = NULL_STREAM
        if in_order:
            lower.close()
        else:
            lower.abort(error)

    def _fail(self, error: Exception) -> None:
        lower, stream = self._lower, self._stream
        self._finish()
        lower.peer = NULL_STREAM
        lower.abort(error)
        stream.abort(error)

    def _finish(self) -> None:
        self._is_over = True
        self._wheel.forget(self)
        self._front.peer = self._stream = NULL_STREAM

    def _step_aside(self) -> None:
        lower, stream, front = self._lower, self._stream, self._front
        self._finish()
        lower.peer, stream.peer = stream, lower
        stream.on_connected()                   # which may put another in its place: from here on lower.peer is asked
        for data in front.kept:
            lower.write(data)
        front.kept.clear()
        if front.wants_eof:
            lower.write_eof()
        if front.is_paused:
            lower.pause()
        if self._codec.rest:
            lower.peer.write(self._codec.rest)
        lower.peer.resume()


class WaitingFace(Stream):
    """The stream's peer until then. What the client sends first is kept (one read), then it is paused."""

    __slots__ = ("_negotiation", "is_paused", "kept", "wants_eof")

    def __init__(self, negotiation: Negotiation) -> None:
        self.peer: Stream = NULL_STREAM
        self._negotiation = negotiation
        self.kept: list[bytes] = []
        self.wants_eof = False
        self.is_paused = False

    @property
    def is_connecting(self) -> bool:
        return self.peer is not NULL_STREAM

    def write(self, data: Buffer) -> None:
        if self.peer is not NULL_STREAM:
            self.kept.append(bytes(data))
            self.peer.pause()

    def write_eof(self) -> None:
        self.wants_eof = True

    def close(self) -> None:
        self._negotiation.end(None, in_order=True)

    def abort(self, error: Exception | None) -> None:
        self._negotiation.end(error, in_order=False)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def obey(self, limits: Limits) -> None:
        self._negotiation.obey(limits)
