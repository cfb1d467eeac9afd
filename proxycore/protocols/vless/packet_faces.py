"""A flow of datagrams over a stream: DatagramFace for the lower stream, PacketFace for who uses the flow."""

from __future__ import annotations

from proxycore.destination import Destination
from proxycore.net.wheel import Wheel
from proxycore.protocols.vless.packet_codec import MAX_SENT_BYTES, DatagramDecoder, encode_datagram
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, PacketStream, Stream

MAX_PACKET_BACKLOG_BYTES = 64 * 1024
"""Datagrams that are still handed to a lower stream that is full or connecting, so that a burst is not lost."""

PACKETS_LINGER_S = 2
"""In which answers still reach a client that has ended its flow."""


class DatagramFace(Stream):
    """The lower stream's peer: what is written to it are datagrams with their lengths."""

    __slots__ = ("_decoder", "_packets")

    def __init__(self, packets: PacketFace) -> None:
        self.peer: Stream = NULL_STREAM
        self._packets = packets
        self._decoder = DatagramDecoder()

    def write(self, data: Buffer) -> None:
        self._decoder.feed(data, self._packets.deliver)

    def write_eof(self) -> None:
        self._packets.on_end()

    def close(self) -> None:
        self._packets.on_close()

    def abort(self, error: Exception | None) -> None:
        self._packets.on_close()

    def pause(self) -> None:
        self._packets.on_pause()

    def resume(self) -> None:
        self._packets.on_resume()


class PacketFace(PacketStream):
    """What an inbound or outbound joins. Beyond MAX_PACKET_BACKLOG_BYTES a full lower stream gets no more datagrams."""

    __slots__ = ("_destination", "_header", "_is_full", "_is_over", "_lower", "_room_bytes")

    def __init__(self, lower: Stream, header: bytes, destination: Destination | None = None) -> None:
        """`header` goes out in one write with the first datagram, or when `send_header` is called.

        `destination`: datagrams for another one are dropped, since the protocol cannot carry their address.
        """
        self.peer: PacketStream = NULL_PACKETS
        self._lower = lower
        self._header = header
        self._destination = destination
        self._is_full = False
        self._room_bytes = 0        # while full
        self._is_over = False

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        if self._is_over or not 0 < len(data) <= MAX_SENT_BYTES:
            return
        if address is not None and self._destination is not None and address != self._destination:
            return
        if self._is_full:
            self._room_bytes -= len(data)
            if self._room_bytes < 0:
                self._room_bytes = 0
                return
        header, self._header = self._header, b""
        self._lower.write(header + encode_datagram(data))

    def send_header(self) -> None:
        """Send the header now, if no datagram took it along."""
        if self._header and not self._is_over:
            header, self._header = self._header, b""
            self._lower.write(header)

    def close(self) -> None:
        if not self._is_over:
            self._part()
            self._lower.close()

    # what DatagramFace tells about the lower stream

    def deliver(self, data: memoryview) -> None:
        self.peer.write_packet(data, None)

    def on_end(self) -> None:
        """No more datagrams will come."""
        peer = self.peer
        self.close()
        peer.close()

    def on_close(self) -> None:
        """The lower stream is gone."""
        if not self._is_over:
            self._part().close()

    def on_pause(self) -> None:
        if not self._is_full:
            self._is_full = True
            self._room_bytes = MAX_PACKET_BACKLOG_BYTES

    def on_resume(self) -> None:
        self._is_full = False

    def _part(self) -> PacketStream:
        """It is over: leave both neighbours; return the upper one."""
        self._is_over = True
        peer, self.peer = self.peer, NULL_PACKETS
        self._lower.peer = NULL_STREAM
        return peer


class ServedPackets(PacketFace):
    """A client's flow. Its end does not cut off the answers that are on their way."""

    __slots__ = ("_wheel", "wheel_slot")

    def __init__(self, wheel: Wheel, lower: Stream, header: bytes) -> None:
        super().__init__(lower, header)
        self._wheel = wheel
        self.wheel_slot = -1

    def on_end(self) -> None:
        if not self._is_over and self.wheel_slot < 0:
            self._wheel.watch(self, PACKETS_LINGER_S)

    def on_watch(self) -> None:
        super().on_end()

    def _part(self) -> PacketStream:
        self._wheel.forget(self)
        return super()._part()
