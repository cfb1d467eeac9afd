"""Stands in for the outbound of a client while it is not decided yet which outbound that is.

What the client sends meanwhile is kept; then `release` routes the client and hands it on. Ends, half-closes and pauses of the
client count as they would have with the outbound there.
"""

from __future__ import annotations

from collections.abc import Callable

from proxycore.destination import Destination
from proxycore.net.datagram_queue import DatagramQueue
from proxycore.net.limits import Limits
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, NullStream, PacketStream, Stream


class HeldStream(Stream):
    """The peer of a client. Whoever subclasses it says in `on_kept` what is done with more bytes."""

    __slots__ = ("_has_closed", "_has_eof", "_is_paused", "_limits", "is_over", "kept")

    def __init__(self, client: Stream) -> None:
        self.peer = client
        self.kept = bytearray()
        self.is_over = False            # released, or ended
        self._has_closed = False
        self._has_eof = False
        self._is_paused = False
        self._limits: Limits | None = None
        client.peer = self

    def on_kept(self) -> None:
        """More has been kept."""
        raise NotImplementedError

    def on_complete(self) -> None:
        """The client will send nothing more, but waits for an answer or has sent something: time to release it."""
        raise NotImplementedError

    def on_left(self) -> None:
        """The client has gone, and nothing is to be routed."""
        raise NotImplementedError

    def release(self, dispatch: Callable[[Stream], None]) -> None:
        """`dispatch` the client, which gets a peer by that, and hand on what was kept."""
        self.is_over = True
        client = self.peer
        dispatch(client)
        if client.peer is self:         # it was aborted instead
            client.peer = NULL_STREAM
            return
        if self._limits is not None:
            client.peer.obey(self._limits)
        if self._is_paused:
            client.peer.pause()
        if self.kept:
            client.peer.write(self.kept)
        if self._has_closed:
            client.peer.close()
        elif self._has_eof:
            client.peer.write_eof()

    def write(self, data: Buffer) -> None:
        if self.is_over:
            self._follower.write(data)
        else:
            self.kept += data
            self.on_kept()

    def write_eof(self) -> None:
        if self.is_over:
            self._follower.write_eof()
        else:
            self._has_eof = True
            self.on_complete()

    def close(self) -> None:
        """What was written before is still sent, so it is routed, for nobody who could hear an answer."""
        if self.is_over:
            self._follower.close()
        elif not self.kept:
            self._leave()
        elif not self._has_closed:
            self._has_closed = True
            self.peer = NullStream()
            self.peer.peer = self
            self.on_complete()

    def abort(self, error: Exception | None) -> None:
        if self.is_over:
            self._follower.abort(error)
        else:
            self._leave()

    def pause(self) -> None:
        if self.is_over:
            self._follower.pause()
        else:
            self._is_paused = True

    def resume(self) -> None:
        if self.is_over:
            self._follower.resume()
        else:
            self._is_paused = False

    def obey(self, limits: Limits) -> None:
        if self.is_over:
            self._follower.obey(limits)
        else:
            self._limits = limits

    def _leave(self) -> None:
        self.is_over = True
        self.kept.clear()
        self.peer = NULL_STREAM
        self.on_left()

    @property
    def _follower(self) -> Stream:
        """Who took over: a neighbour may still hold us for the turn in which we left."""
        follower = getattr(self.peer, "peer", NULL_STREAM)
        return NULL_STREAM if follower is self else follower


class HeldPackets(PacketStream):
    """The same for a flow of datagrams. One that ends meanwhile is forgotten."""

    __slots__ = ("is_over", "kept")

    def __init__(self, client: PacketStream) -> None:
        self.peer = client
        self.kept = DatagramQueue()
        self.is_over = False
        client.peer = self

    def on_kept(self) -> None:
        raise NotImplementedError

    def on_left(self) -> None:
        raise NotImplementedError

    def release(self, dispatch: Callable[[PacketStream], None]) -> None:
        self.is_over = True
        client = self.peer
        dispatch(client)
        if client.peer is self:
            client.peer = NULL_PACKETS
        for data, address in self.kept.take():
            client.peer.write_packet(data, address)

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        if self.is_over:
            self._follower.write_packet(data, address)
        elif self.kept.put(data, address):
            self.on_kept()

    def close(self) -> None:
        if self.is_over:
            self._follower.close()
        else:
            self.is_over = True
            self.kept.take()
            self.peer = NULL_PACKETS
            self.on_left()

    @property
    def _follower(self) -> PacketStream:
        follower = getattr(self.peer, "peer", NULL_PACKETS)
        return NULL_PACKETS if follower is self else follower


class WaitingStream(HeldStream):
    """The peer of a client that waits for a name to be looked up. One read is kept, then it is paused."""

    __slots__ = ()

    def go_on(self, dispatch: Callable[[Stream], None]) -> None:
        """`dispatch` the client, if it is still there."""
        if self.is_over:
            return
        client = self.peer
        self.release(dispatch)
        if client.peer is NULL_STREAM:
            return                          # nothing could carry it
        if not client.peer.is_connecting:
            client.on_connected()           # its new peer will not say so
        client.resume()

    def on_kept(self) -> None:
        self.peer.pause()

    def on_complete(self) -> None:
        pass

    def on_left(self) -> None:
        pass

    @property
    def is_connecting(self) -> bool:
        return not self.is_over


class WaitingPackets(HeldPackets):
    """The same for a flow of datagrams."""

    __slots__ = ()

    def go_on(self, dispatch: Callable[[PacketStream], None]) -> None:
        if not self.is_over:
            self.release(dispatch)

    def on_kept(self) -> None:
        pass

    def on_left(self) -> None:
        pass
