"""What stands between two streams only until VLESS's headers have passed; then they are each other's peer.

After its header a VLESS body is the plain stream, so nothing has to touch its bytes:

    inbound    client's socket  --uplink-->   outbound          AnswerFace    the answer's header, before the first downlink data
    outbound   inbound's stream --downlink--> server's socket   RequestFace   the request, before the first uplink data
                                                                ResponseFace  takes the answer's header off

A face that is done takes itself out, and forwards what a neighbour that held it in that moment still gives it.
"""

from __future__ import annotations

import socket

from proxycore.errors import PeerError
from proxycore.net.limits import Limits
from proxycore.protocols.vless.header_codec import RESPONSE, ResponseDecoder
from proxycore.stream import NULL_STREAM, Buffer, Stream


class AnswerFace(Stream):
    """Stands for the client towards the outbound. Its `peer` is the client's own, so uplink is joined directly at once."""

    __slots__ = ("_is_done", "_lower")

    def __init__(self, lower: Stream) -> None:
        self._lower = lower
        self._is_done = False

    @property
    def peer(self) -> Stream:
        return self._lower.peer

    @peer.setter
    def peer(self, value: Stream) -> None:
        self._lower.peer = value

    def write(self, data: Buffer) -> None:
        lower = self._lower
        if self._is_done:
            lower.write(data)
            return
        self._is_done = True
        upper = lower.peer
        if upper is not NULL_STREAM and upper.peer is self:
            upper.peer = lower
        lower.write(RESPONSE + bytes(data))

    def write_eof(self) -> None:
        self._lower.write_eof()

    def close(self) -> None:
        self._lower.close()

    def abort(self, error: Exception | None) -> None:
        self._lower.abort(error)

    def pause(self) -> None:
        self._lower.pause()

    def resume(self) -> None:
        self._lower.resume()

    def carried_by(self) -> socket.socket | None:
        return self._lower.carried_by()

    def obey(self, limits: Limits) -> None:
        self._lower.obey(limits)


class ResponseFace(Stream):
    """The server's socket writes to it until the answer's header has come. That it never does is a clean, empty answer."""

    __slots__ = ("_decoder", "_lower")

    def __init__(self, lower: Stream, upper: Stream) -> None:
        self.peer: Stream = upper
        self._lower = lower
        self._decoder: ResponseDecoder | None = ResponseDecoder()

    @property
    def is_done(self) -> bool:
        return self._decoder is None

    def write(self, data: Buffer) -> None:
        decoder = self._decoder
        if decoder is None:
            self.peer.write(data)
            return
        try:
            rest = decoder.feed(data)
        except PeerError as error:
            self._fail(error)
            return
        if rest is None:
            return
        self._decoder = None
        upper = self.peer
        if self._lower.peer is self:
            self._lower.peer = upper
        if len(rest):
            upper.write(rest)

    def write_eof(self) -> None:
        if self._may_end():
            self.peer.write_eof()
        else:
            self._fail(PeerError("the stream ended within the answer's header"))

    def close(self) -> None:
        upper = self._part()
        if self._may_end():
            upper.close()
        else:
            upper.abort(PeerError("the stream was closed within the answer's header"))

    def abort(self, error: Exception | None) -> None:
        self._part().abort(error)

    def pause(self) -> None:
        self.peer.pause()

    def resume(self) -> None:
        self.peer.resume()

    def on_connected(self) -> None:
        self.peer.on_connected()

    def _may_end(self) -> bool:
        return self._decoder is None or not self._decoder.has_begun

    def _fail(self, error: PeerError) -> None:
        upper = self._part()
        self._lower.abort(error)
        upper.abort(error)

    def _part(self) -> Stream:
        upper, self.peer = self.peer, NULL_STREAM
        return upper


class RequestFace(Stream):
    """The inbound's stream writes to it until the request has gone out, with the first data or by `send_header`."""

    __slots__ = ("_header", "_is_over", "_lower", "_response")

    def __init__(self, lower: Stream, response: ResponseFace, header: bytes) -> None:
        self._lower = lower
        self._response = response
        self._header = header
        self._is_over = False

    @property
    def peer(self) -> Stream:
        return self._response.peer

    @peer.setter
    def peer(self, value: Stream) -> None:
        self._response.peer = value
        if self._response.is_done:
            self._lower.peer = value

    def write(self, data: Buffer) -> None:
        if self._is_over:
            return
        header = self._step_aside()
        self._lower.write(header + bytes(data) if header else data)

    def send_header(self) -> None:
        """Send the request now, if no data took it along."""
        if self._header and not self._is_over and self._response.peer is not NULL_STREAM:
            self._lower.write(self._step_aside())

    def write_eof(self) -> None:
        self.send_header()
        if not self._is_over:
            self._lower.write_eof()

    def close(self) -> None:
        self._is_over = True
        self._lower.close()

    def abort(self, error: Exception | None) -> None:
        self._is_over = True
        self._lower.abort(error)

    @property
    def is_connecting(self) -> bool:
        return self._lower.is_connecting

    def pause(self) -> None:
        self._lower.pause()

    def resume(self) -> None:
        self._lower.resume()

    def carried_by(self) -> socket.socket | None:
        return self._lower.carried_by()

    def obey(self, limits: Limits) -> None:
        self._lower.obey(limits)

    def _step_aside(self) -> bytes:
        header, self._header = self._header, b""
        upper = self._response.peer
        if upper is not NULL_STREAM and upper.peer is self:
            upper.peer = self._lower
        return header
