"""The two faces of a VMess body: ciphertext on the lower stream's side, plaintext on the side of who uses it.

    lower stream  <->  SealedFace | PlainFace   <->  a stream
    lower stream  <->  SealedFace | PacketFace  <->  a flow of datagrams

The end of one direction is an end mark, or the lower stream's own end where marks are not used. When both have ended,
or either side gives up, the lower stream is closed; from then on neither neighbour is called.
"""

from __future__ import annotations

import socket
from typing import Protocol

from proxycore.destination import Destination
from proxycore.errors import PeerError
from proxycore.net.limits import Limits
from proxycore.protocols.vmess.body_codec import MAX_DATAGRAM_BYTES, Decoder, Encoder
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, PacketStream, Stream

MAX_PACKET_BACKLOG_BYTES = 64 * 1024
"""Datagrams that are still handed to a lower stream that is full or connecting, so that a burst is not lost."""


class Plain(Protocol):
    """What SealedFace tells the plaintext side about the lower stream."""

    def deliver(self, data: memoryview) -> None:
        """Plaintext came; valid during the call only."""

    def on_end(self) -> None:
        """No more will come."""

    def on_close(self) -> None:
        """The lower stream was closed."""

    def on_abort(self, error: Exception | None) -> None:
        """The lower stream broke."""

    def on_pause(self) -> None:
        """The lower stream is full."""

    def on_resume(self) -> None:
        """The lower stream takes data again."""

    def fail(self, error: Exception) -> None:
        """What came breaks the protocol: end both neighbours."""


class SealedFace(Stream):
    """The lower stream's peer: what is written to it is ciphertext from the far end."""

    __slots__ = ("_decoder", "_plain")

    def __init__(self, plain: Plain, decoder: Decoder) -> None:
        self._plain = plain
        self._decoder = decoder

    def write(self, data: Buffer) -> None:
        decoder, plain = self._decoder, self._plain
        try:
            decoder.feed(data, plain.deliver)
        except PeerError as error:
            plain.fail(error)
            return
        if decoder.ended:
            plain.on_end()

    def write_eof(self) -> None:
        if self._may_end():
            self._plain.on_end()
        else:
            self._plain.fail(PeerError("the stream ended within a chunk"))

    def close(self) -> None:
        if self._may_end():
            self._plain.on_close()
        else:
            self._plain.on_abort(PeerError("the stream was closed within a chunk"))

    def abort(self, error: Exception | None) -> None:
        self._plain.on_abort(error)

    def pause(self) -> None:
        self._plain.on_pause()

    def resume(self) -> None:
        self._plain.on_resume()

    def _may_end(self) -> bool:
        return self._decoder.is_at_border or self._decoder.ended


class PlainFace(Stream):
    """What an inbound or outbound joins: what is written to it is sent enciphered."""

    __slots__ = ("_encoder", "_header", "_is_over", "_lower", "_marks_end", "_received_end", "_sent_end")

    def __init__(self, lower: Stream, encoder: Encoder, header: bytes, *, marks_end: bool) -> None:
        """`header` goes out in one write with the first data, or when `send_header` is called."""
        self.peer: Stream = NULL_STREAM
        self._lower = lower
        self._encoder = encoder
        self._header = header
        self._marks_end = marks_end
        self._sent_end = False
        self._received_end = False
        self._is_over = False

    def write(self, data: Buffer) -> None:
        if self._sent_end:
            return
        header = self._header
        if header:
            self._header = b""
        self._encoder.encode(data, self._lower.write, header)

    def send_header(self) -> None:
        """Send the header now, if no data took it along."""
        if self._header and not self._sent_end:
            header, self._header = self._header, b""
            self._lower.write(header)

    def write_eof(self) -> None:
        if self._sent_end:
            return
        self._send_end()
        if self._received_end:
            self._finish()
        elif not self._marks_end:
            self._lower.write_eof()

    def close(self) -> None:
        if self._is_over:
            return
        if not self._sent_end:
            self._send_end()
        self._finish()

    def abort(self, error: Exception | None) -> None:
        if not self._is_over:
            self._part()
            self._lower.abort(error)

    def pause(self) -> None:
        if not self._is_over:
            self._lower.pause()

    def resume(self) -> None:
        if not self._is_over:
            self._lower.resume()

    def carried_by(self) -> socket.socket | None:
        return self._lower.carried_by()

    def obey(self, limits: Limits) -> None:
        self._lower.obey(limits)

    def deliver(self, data: memoryview) -> None:
        self.peer.write(data)

    def on_end(self) -> None:
        if self._received_end:
            return
        self._received_end = True
        self.peer.write_eof()
        if self._sent_end and not self._is_over:
            self._finish()

    def on_close(self) -> None:
        if not self._is_over:
            self._part().close()

    def on_abort(self, error: Exception | None) -> None:
        if not self._is_over:
            self._part().abort(error)

    def on_pause(self) -> None:
        self.peer.pause()

    def on_resume(self) -> None:
        self.peer.resume()

    def fail(self, error: Exception) -> None:
        if not self._is_over:
            peer = self._part()
            self._lower.abort(error)
            peer.abort(error)

    def _send_end(self) -> None:
        self._sent_end = True
        header, self._header = self._header, b""
        if self._marks_end:
            self._encoder.encode_end(self._lower.write, header)
        elif header:
            self._lower.write(header)

    def _finish(self) -> None:
        self._part()
        self._lower.close()

    def _part(self) -> Stream:
        """It is over: leave both neighbours; return the upper one."""
        self._is_over = self._sent_end = self._received_end = True
        peer, self.peer = self.peer, NULL_STREAM
        self._lower.peer = NULL_STREAM
        return peer


class PacketFace(PacketStream):
    """The same for datagrams: one is one chunk. Beyond MAX_PACKET_BACKLOG_BYTES a full lower stream gets no more of them."""

    __slots__ = ("_destination", "_encoder", "_header", "_is_full", "_is_over", "_lower", "_marks_end", "_room_bytes")

    def __init__(self, lower: Stream, encoder: Encoder, header: bytes, *, marks_end: bool,
                 destination: Destination | None = None) -> None:
        """`destination`: datagrams for another one are dropped, since the protocol cannot carry their address."""
        self.peer: PacketStream = NULL_PACKETS
        self._lower = lower
        self._encoder = encoder
        self._header = header
        self._marks_end = marks_end
        self._destination = destination
        self._is_full = False
        self._room_bytes = 0        # while full
        self._is_over = False

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        # An empty datagram would be the end mark; one above the limit would be dropped by the cores, or worse.
        if self._is_over or not 0 < len(data) <= MAX_DATAGRAM_BYTES:
            return
        if address is not None and self._destination is not None and address != self._destination:
            return
        if self._is_full:
            self._room_bytes -= len(data)
            if self._room_bytes < 0:
                self._room_bytes = 0
                return
        header, self._header = self._header, b""
        self._encoder.encode(data, self._lower.write, header)

    def send_header(self) -> None:
        """Send the header now, if no datagram took it along."""
        if self._header and not self._is_over:
            header, self._header = self._header, b""
            self._lower.write(header)

    def close(self) -> None:
        if self._is_over:
            return
        self._part()
        if self._marks_end:
            self._encoder.encode_end(self._lower.write, self._header)
        elif self._header:
            self._lower.write(self._header)
        self._lower.close()

    def deliver(self, data: memoryview) -> None:
        self.peer.write_packet(data, None)

    def on_end(self) -> None:
        peer = self.peer
        self.close()
        peer.close()

    def on_close(self) -> None:
        if not self._is_over:
            self._part().close()

    def on_abort(self, error: Exception | None) -> None:
        self.on_close()

    def on_pause(self) -> None:
        if not self._is_full:
            self._is_full = True
            self._room_bytes = MAX_PACKET_BACKLOG_BYTES

    def on_resume(self) -> None:
        self._is_full = False

    def fail(self, error: Exception) -> None:
        if not self._is_over:
            peer = self._part()
            self._lower.abort(error)
            peer.close()

    def _part(self) -> PacketStream:
        self._is_over = True
        peer, self.peer = self.peer, NULL_PACKETS
        self._lower.peer = NULL_STREAM
        return peer
