"""Dialling through another outbound: what it carries is the stream that a protocol would else have from a socket."""

from __future__ import annotations

import socket
from collections.abc import Callable

from proxycore.destination import Destination, Request
from proxycore.errors import DialError
from proxycore.net.limits import Limits
from proxycore.net.resolve import Resolve, Strategy
from proxycore.protocols.base import Outbound
from proxycore.stream import NULL_STREAM, Buffer, Stream


class ChainedDial:
    """Dials through the outbound that `find` gives when it is needed; `name` is its tag, for errors."""

    __slots__ = ("_call_soon", "_find", "_name")

    def __init__(self, name: str, find: Callable[[], Outbound | None], call_soon: Callable[..., object]) -> None:
        self._name = name
        self._find = find
        self._call_soon = call_soon

    def __call__(
        self, destination: Destination, strategy: Strategy = Strategy.AS_IS, *, resolve: Resolve | None = None
    ) -> Stream:
        """The names of a destination are left to the other outbound, whatever the strategy; so a name that only `resolve`
        may resolve is not dialled."""
        near, far = JointFace(), JointFace()
        near.other, far.other = far, near
        outbound = self._find()
        if outbound is None:
            self._call_soon(far.abort, DialError(str(destination), f'there is no outbound "{self._name}"'))
            return near
        if resolve is not None and isinstance(destination.host, str):
            reason = f'"{self._name}" would resolve this name, so it cannot be judged by its address'
            self._call_soon(far.abort, DialError(str(destination), reason))
            return near
        far.call_soon = self._call_soon
        outbound.open(Request(destination, ""), far)
        far.call_soon = None
        return near


class JointFace(Stream):
    """One end of a pair: what is written to one comes out at the peer of the other."""

    __slots__ = ("_sent_end", "call_soon", "is_over", "other")

    other: JointFace

    def __init__(self) -> None:
        self.peer: Stream = NULL_STREAM
        self.is_over = False
        self.call_soon: Callable[..., object] | None = None     # while the other end has no peer that could be told
        self._sent_end = False

    @property
    def is_connecting(self) -> bool:
        return not self.is_over and self.other.peer.is_connecting

    def on_connected(self) -> None:
        self.other.peer.on_connected()

    def write(self, data: Buffer) -> None:
        if not self._sent_end:
            self.other.peer.write(data)

    def write_eof(self) -> None:
        if not self._sent_end:
            self._sent_end = True
            self.other.peer.write_eof()

    def close(self) -> None:
        if self.call_soon is not None:
            self.call_soon(self._close)
        else:
            self._close()

    def abort(self, error: Exception | None) -> None:
        if self.call_soon is not None:
            self.call_soon(self._abort, error)
        else:
            self._abort(error)

    def pause(self) -> None:
        self.other.peer.pause()

    def resume(self) -> None:
        self.other.peer.resume()

    def touch(self) -> None:
        self.other.peer.touch()

    def carried_by(self) -> socket.socket | None:
        return self.other.peer.carried_by()

    def obey(self, limits: Limits) -> None:
        self.other.peer.obey(limits)

    def _close(self) -> None:
        if not self.is_over:
            self._part().close()

    def _abort(self, error: Exception | None) -> None:
        if not self.is_over:
            self._part().abort(error)

    def _part(self) -> Stream:
        """Both ends are over; the peer of the other one, which is to be told."""
        peer = self.other.peer
        for end in (self, self.other):
            end.is_over = end._sent_end = True
            end.peer = NULL_STREAM
        return peer
