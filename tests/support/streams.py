"""Streams that only remember what was done to them."""

from __future__ import annotations

import socket
from collections.abc import Callable

from proxycore.destination import Destination, Request
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, PacketStream, Stream


class RecordingStream(Stream):
    """A far end: `data` is all that was written to it; `paused` is what its neighbour asked."""

    def __init__(self) -> None:
        self.peer: Stream = NULL_STREAM
        self.data = bytearray()
        self.writes: list[bytes] = []
        self.eof = False
        self.closed = False
        self.aborted = False
        self.error: Exception | None = None
        self.paused = False
        self.on_write: Callable[[], object] | None = None
        self.sock: socket.socket | None = None      # that carries it

    def carried_by(self) -> socket.socket | None:
        return self.sock

    def write(self, data: Buffer) -> None:
        assert not self.ended, "written to after its end"
        self.data += data
        self.writes.append(bytes(data))
        if self.on_write is not None:
            self.on_write()

    def write_eof(self) -> None:
        self.eof = True

    def close(self) -> None:
        self.closed = True

    def abort(self, error: Exception | None) -> None:
        self.aborted = True
        self.error = error

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    @property
    def ended(self) -> bool:
        return self.closed or self.aborted

    def take(self) -> bytes:
        data = bytes(self.data)
        self.data.clear()
        self.writes.clear()
        return data


class RecordingPackets(PacketStream):
    """The same for datagrams."""

    def __init__(self) -> None:
        self.peer: PacketStream = NULL_PACKETS
        self.packets: list[tuple[bytes, Destination | None]] = []
        self.closed = False

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        self.packets.append((bytes(data), address))

    def close(self) -> None:
        self.closed = True


class RecordingDispatcher:
    """Joins each dispatched stream to a RecordingStream and remembers both."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.streams: list[RecordingStream] = []
        self.flows: list[RecordingPackets] = []

    def dispatch(self, request: Request, stream: Stream) -> None:
        far = RecordingStream()
        far.peer, stream.peer = stream, far
        self.requests.append(request)
        self.streams.append(far)

    def dispatch_packets(self, request: Request, packets: PacketStream) -> None:
        far = RecordingPackets()
        far.peer, packets.peer = packets, far
        self.requests.append(request)
        self.flows.append(far)
