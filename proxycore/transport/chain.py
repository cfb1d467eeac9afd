"""Dialling through another outbound: what it carries is the stream that a protocol would else have from a socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial

from proxycore import tasks
from proxycore.destination import Destination, Request
from proxycore.errors import DialError, ProxyError
from proxycore.held import WaitingPackets, WaitingStream
from proxycore.net.limits import Limits
from proxycore.net.resolve import Resolve, Strategy, resolve
from proxycore.protocols.base import Outbound
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, PacketStream, Stream

RESOLVE_S = 16.0
"""As long as a dial may take."""


class ChainedDial:
    """Dials through the outbound that `find` gives when it is needed; `name` is its tag, for errors."""

    __slots__ = ("_call_soon", "_find", "_name", "_resolve")

    def __init__(
        self, name: str, find: Callable[[], Outbound | None], call_soon: Callable[..., object], resolve: Resolve = resolve
    ) -> None:
        self._name = name
        self._find = find
        self._call_soon = call_soon
        self._resolve = resolve

    def __call__(
        self, destination: Destination, strategy: Strategy = Strategy.AS_IS, *, resolve: Resolve | None = None
    ) -> Stream:
        """A name is left to the other outbound, unless `strategy` or `resolve` want its address to be dialled."""
        near, far = JointFace(), JointFace()
        near.other, far.other = far, near
        if isinstance(destination.host, str) and (strategy is not Strategy.AS_IS or resolve is not None):
            waiting = WaitingStream(far)
            tasks.spawn(f"resolve {destination.host}", self._resolve_and_open(waiting, destination, strategy, resolve))
            return near
        outbound = self._find()
        if outbound is None:
            self._call_soon(far.abort, self._missing(destination))
            return near
        far.call_soon = self._call_soon
        outbound.open(Request(destination, ""), far)
        far.call_soon = None
        return near

    def datagrams(
        self, default: Destination, strategy: Strategy = Strategy.AS_IS, *, hides_source: bool = False,
        resolve: Resolve | None = None,
    ) -> PacketStream:
        """The same for a flow of datagrams. Names of single datagrams are left to the other outbound, or dropped if only
        `resolve` may resolve them."""
        near, far = JointPackets(drops_names=resolve is not None), JointPackets(hides_source=hides_source)
        near.other, far.other = far, near
        if isinstance(default.host, str) and (strategy is not Strategy.AS_IS or resolve is not None):
            waiting = WaitingPackets(far)
            tasks.spawn(f"resolve {default.host}", self._resolve_and_open(waiting, default, strategy, resolve))
            return near
        outbound = self._find()
        if outbound is None:
            self._call_soon(far.close)
        else:
            outbound.open_packets(Request(default, ""), far)
        return near

    def _missing(self, destination: Destination) -> DialError:
        return DialError(str(destination), f'there is no outbound "{self._name}"')

    async def _resolve_and_open(
        self, waiting: WaitingStream | WaitingPackets, destination: Destination, strategy: Strategy, resolve: Resolve | None
    ) -> None:
        error: ProxyError | None = None
        try:
            found = await asyncio.wait_for((resolve or self._resolve)(str(destination.host), strategy), RESOLVE_S)
        except TimeoutError:
            error = DialError(str(destination), "the name lookup did not answer")
        except ProxyError as failed:
            error = failed
        else:
            destination = destination._replace(host=found[0])
        outbound = self._find()
        if error is None and outbound is None:
            error = self._missing(destination)
        if waiting.is_over:
            return
        if error is not None and (outbound is None or resolve is not None or strategy.startswith("force")):
            if isinstance(waiting, WaitingStream):
                waiting.peer.abort(error)
            else:
                waiting.peer.close()
            return
        assert outbound is not None
        request = Request(destination, "")
        if isinstance(waiting, WaitingStream):
            waiting.go_on(partial(outbound.open, request))
        else:
            waiting.go_on(partial(outbound.open_packets, request))


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


class JointPackets(PacketStream):
    """The same for a flow of datagrams. `hides_source`: of what is written to the other end."""

    __slots__ = ("_drops_names", "_hides_source", "is_over", "other")

    other: JointPackets

    def __init__(self, *, drops_names: bool = False, hides_source: bool = False) -> None:
        self.peer: PacketStream = NULL_PACKETS
        self.is_over = False
        self._drops_names = drops_names
        self._hides_source = hides_source

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        if self._drops_names and address is not None and isinstance(address.host, str):
            return
        self.other.peer.write_packet(data, None if self._hides_source else address)

    def close(self) -> None:
        if not self.is_over:
            peer = self.other.peer
            for end in (self, self.other):
                end.is_over = True
                end.peer = NULL_PACKETS
            peer.close()
