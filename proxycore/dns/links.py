"""DNS messages to and from a neighbour, on a stream or in datagrams: each a face that whole messages go through."""

from __future__ import annotations

from typing import Protocol

from proxycore.destination import Destination
from proxycore.dns.codec import MessageDecoder, framed
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, PacketStream, Stream


class LinkOwner(Protocol):
    """Who a link tells what comes."""

    def on_message(self, link: Link, message: bytes, source: Destination | None) -> None:
        """A whole message, not looked into yet. `source`, of a datagram: where it comes from, or (from a client) what it is
        for; None where that is not known, or what the flow is for."""

    def on_end(self, link: Link, error: Exception | None) -> None:
        """No more will come; it is over. Not told to who closed the link."""

    def on_full(self, link: Link, *, is_full: bool) -> None:
        """What is sent waits in a buffer, or no longer does."""


class Link(Protocol):
    """What messages are sent through."""

    is_over: bool

    def send(self, message: bytes, address: Destination | None = None) -> None:
        """`address`, of a datagram: where to, or (back to a client) where it comes from; None: what the flow is for."""

    def end(self) -> None:
        """No more will be sent; what was sent still goes out."""

    def stop(self) -> None:
        """Read no more for now."""

    def go_on(self) -> None:
        """Read on."""


class StreamLink(Stream):
    """On a stream: each message behind its length. Join it by setting `peer`s."""

    __slots__ = ("_decoder", "_owner", "is_over")

    def __init__(self, owner: LinkOwner) -> None:
        self.peer: Stream = NULL_STREAM
        self.is_over = False
        self._owner = owner
        self._decoder = MessageDecoder()

    # what the owner does

    def send(self, message: bytes, address: Destination | None = None) -> None:
        if not self.is_over:
            self.peer.write(framed(message))

    def end(self) -> None:
        if not self.is_over:
            self._part().close()

    def stop(self) -> None:
        self.peer.pause()

    def go_on(self) -> None:
        self.peer.resume()

    # what the neighbour does

    def write(self, data: Buffer) -> None:
        for message in self._decoder.feed(data):
            if self.is_over:
                return
            self._owner.on_message(self, message, None)

    def write_eof(self) -> None:
        if not self.is_over:
            self._owner.on_end(self, None)

    def close(self) -> None:
        self.abort(None)

    def abort(self, error: Exception | None) -> None:
        if not self.is_over:
            self._part()
            self._owner.on_end(self, error)

    def pause(self) -> None:
        self._owner.on_full(self, is_full=True)

    def resume(self) -> None:
        self._owner.on_full(self, is_full=False)

    def _part(self) -> Stream:
        self.is_over = True
        peer, self.peer = self.peer, NULL_STREAM
        return peer


class PacketLink(PacketStream):
    """In datagrams, one message in each."""

    __slots__ = ("_owner", "is_over")

    def __init__(self, owner: LinkOwner) -> None:
        self.peer: PacketStream = NULL_PACKETS
        self.is_over = False
        self._owner = owner

    def send(self, message: bytes, address: Destination | None = None) -> None:
        if not self.is_over:
            self.peer.write_packet(message, address)

    def end(self) -> None:
        if not self.is_over:
            self._part().close()

    def stop(self) -> None:
        pass                # datagrams that nobody takes are dropped

    def go_on(self) -> None:
        pass

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        if not self.is_over:
            self._owner.on_message(self, bytes(data), address)

    def close(self) -> None:
        if not self.is_over:
            self._part()
            self._owner.on_end(self, None)

    def _part(self) -> PacketStream:
        self.is_over = True
        peer, self.peer = self.peer, NULL_PACKETS
        return peer
