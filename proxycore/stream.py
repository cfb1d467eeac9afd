"""The one shape that everything which carries bytes has.

A socket, a mux session, a VMess body: each is a `Stream`. Two streams are joined by making each the other's
`peer`; from then on bytes travel by plain calls, without a task, queue or future per chunk:

    a client's socket reads    -> socket.peer.write(data)       (socket.peer is, say, a mux session)
    the mux session is full    -> session.peer.pause()          (session.peer is the socket: it stops reading)

So a stream's methods are what *others* do to it, and it calls the same methods on its `peer` to tell what
happened at its own far end. A layer that transforms bytes (VMess over a socket) is two streams, one face for
each neighbour.

The rules that keep this sound:

* `write` gets a buffer that is valid during the call only (it may be a view of a reused read buffer). Who needs
  it longer copies it.
* `pause` asks, it does not promise: what was already on its way (at most one read) may still be written.
* `close` and `abort` are final and may be called twice. A stream that ended tells its peer once, and never calls it again.
* No method raises for anything that a far end did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import socket
    from collections.abc import Hashable

    from proxycore.destination import Destination
    from proxycore.net.limits import Limits
    from proxycore.stats import User

Buffer: TypeAlias = bytes | bytearray | memoryview


class Stream:
    """A full-duplex byte stream, seen from its neighbour. Subclasses implement every method."""

    __slots__ = ("peer",)

    peer: Stream

    def write(self, data: Buffer) -> None:
        """Send `data` on; it is valid during this call only."""
        raise NotImplementedError

    def write_eof(self) -> None:
        """Nothing more will be written; the other direction stays open."""
        raise NotImplementedError

    def close(self) -> None:
        """End both directions in order: what was written is still sent, what comes in is thrown away."""
        raise NotImplementedError

    def abort(self, error: Exception | None) -> None:
        """End both directions now; unsent data is dropped. `error` says why, for the log."""
        raise NotImplementedError

    def pause(self) -> None:
        """Stop giving data to the peer, which cannot take more just now."""
        raise NotImplementedError

    def resume(self) -> None:
        """Go on giving data to the peer."""
        raise NotImplementedError

    @property
    def is_connecting(self) -> bool:
        """Whether this stream will still tell its peer how connecting went: by `on_connected`, or by an end."""
        return False

    def on_connected(self) -> None:
        """The far end of the peer has been reached. Only said by streams whose `is_connecting` was true."""

    def touch(self) -> None:
        """Count as used, though no byte came: another connection (of datagrams, say) lives by this one."""

    def claim(self, owner: Hashable) -> None:
        """Whose connection this is: `owner` is the credential that the far end has proven to have."""

    def obey(self, limits: Limits) -> None:
        """Be silent for no longer than `limits` from now on. A layer hands it down to its socket."""

    def charge(self, user: User, ip: str) -> bool:
        """Count what passes from now on for `user`, who comes from `ip`; False: this stream cannot count payload."""
        return False

    def carried_by(self) -> socket.socket | None:
        """The connected socket below all layers; None: there is none, not yet, or it cannot be told."""
        return None


class PacketStream:
    """The same for datagrams: packets keep their borders, may be lost, and can each have an address.

    There is no back-pressure: who cannot send a packet drops it.
    """

    __slots__ = ("peer",)

    peer: PacketStream

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        """Send one datagram, valid during this call only.

        `address` is its destination (towards an outbound) or its source (back towards the client); None means
        the destination that the flow was opened with.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the flow. May be called twice."""
        raise NotImplementedError

    def charge(self, user: User, ip: str) -> bool:
        """As of a `Stream`."""
        return False


class NullStream(Stream):
    """Takes everything and does nothing: the peer of a stream that has ended or is not joined yet."""

    __slots__ = ()

    def write(self, data: Buffer) -> None:
        pass

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self, error: Exception | None) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass


class NullPacketStream(PacketStream):
    """The same for datagrams."""

    __slots__ = ()

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        pass

    def close(self) -> None:
        pass


NULL_STREAM = NullStream()
NULL_PACKETS = NullPacketStream()
