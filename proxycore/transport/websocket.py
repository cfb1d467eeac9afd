"""WebSocket as a layer of inbounds and outbounds. Source: Xray-core transport/internet/websocket/."""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Sequence

from proxycore.destination import Destination, HostPort, ip_text
from proxycore.errors import LinkDown, PeerError
from proxycore.net.wheel import Wheel
from proxycore.stream import Buffer, Stream
from proxycore.transport.base import Then
from proxycore.transport.face import UpperFace
from proxycore.transport.http_head_codec import HeadReader, encode_head, forwarded_source, host_matches, parse_head
from proxycore.transport.http_settings import WebSocketSettings
from proxycore.transport.websocket_codec import (
    BINARY,
    CLOSE,
    NORMAL_CLOSURE,
    PING,
    PONG,
    Control,
    FrameDecoder,
    accept_key,
    decode_early,
    encode_early,
    encode_frame,
    is_key,
)

SERVER_HANDSHAKE_S = 4.0
CLIENT_HANDSHAKE_S = 32.0
"""8 s, together with connecting and TLS below, which may take 24 s."""

END_LINGER_S = 5.0
"""A client's end is told once the server has been silent for so long: many a server answers a close by closing at once."""

_REFUSALS = {
    400: "HTTP/1.1 400 Bad Request",
    404: "HTTP/1.1 404 Not Found",
}


class WebSocketFace(UpperFace):
    """What both sides have in common once the handshake is over.

    WebSocket has no half-close: a close frame stands for one. A server sends it when it has nothing more to say, and is told
    the client's end by one. For a client it is the end of everything: a server that is not ours may send nothing after it.
    """

    __slots__ = ("_decoder", "_has_said_farewell", "_is_client", "_period_s", "_ping", "_reader", "_was_quiet")

    handshake = "WebSocket handshake"

    def __init__(self, lower: Stream, wheel: Wheel, timeout_s: float, period_s: float, *, is_client: bool) -> None:
        self._is_client = is_client
        self._has_said_farewell = False
        self._was_quiet = False         # since the last look
        self._ping: bytes | None = None     # the last that came and is not answered yet
        self._period_s = period_s
        self._reader = HeadReader()
        self._decoder = FrameDecoder(is_masked=not is_client)
        super().__init__(lower, wheel, timeout_s)

    def _on_head(self, head: bytes) -> None:
        """The other side's part of the handshake came. Raises: PeerError."""
        raise NotImplementedError

    def _frame(self, opcode: int, payload: Buffer) -> bytes:
        return encode_frame(opcode, payload, os.urandom(4) if self._is_client else None)

    def _send(self, data: Buffer) -> None:
        self._lower.write(self._frame(BINARY, data))

    def _send_end(self) -> None:
        if self._is_client:
            self._was_quiet = False
            self._wheel.watch(self, END_LINGER_S)
        else:
            self._send_farewell()

    def _send_farewell(self) -> None:
        if not self._has_said_farewell:
            self._has_said_farewell = True
            self._lower.write(self._frame(CLOSE, NORMAL_CLOSURE))

    def _ready(self) -> None:
        super()._ready()
        if self._period_s and not self.is_over:
            self._wheel.watch(self, self._period_s)

    def on_watch(self) -> float | None:     # type: ignore[override]
        if not self.is_ready:
            self.fail(LinkDown(f"no {self.handshake} in time"))
            return None
        if self.is_over or self._has_said_farewell:
            return None
        if self._sent_end and self._is_client:
            if self._was_quiet and not self._is_lower_full:
                self._send_farewell()
                return None
            self._was_quiet = True
            return END_LINGER_S
        if not self._is_lower_full:
            self._lower.write(self._frame(PING, b""))
        return self._period_s

    def _on_data(self, data: Buffer) -> None:
        try:
            if not self.is_ready:
                head = self._reader.feed(data)
                if head is None:
                    return
                self._on_head(head)
                if self.is_over:
                    return
                data = self._reader.rest
            plain = self._decoder.feed(data, self._on_control)
        except PeerError as error:
            self.fail(error)
            return
        if self._ping is not None:
            self._answer_ping(self._ping)
        if len(plain):
            self._was_quiet = False
            self.peer.write(plain)
        if self._decoder.ended and not self._received_end:
            self._on_farewell()

    def _on_control(self, control: Control) -> None:
        if control.opcode == PING:
            self._ping = control.payload

    def _answer_ping(self, payload: bytes) -> None:
        """Once for all that came in one read, as RFC 6455 allows: thousands fit into it."""
        self._ping = None
        if not self._is_lower_full and not self.is_over and not self._has_said_farewell:
            self._lower.write(self._frame(PONG, payload))

    def _on_farewell(self) -> None:
        if self._is_client or self._sent_end:
            peer = self.peer
            self._end()
            peer.close()
        else:
            self._received_end = True
            self.peer.write_eof()

    def _on_eof(self) -> None:
        if self.is_ready and not self._decoder.is_at_border:
            self.fail(PeerError("it ended within a WebSocket message"))
        elif self._received_end and not self.is_over:
            self.fail(LinkDown("the client has gone"))      # its end was told before, by a close frame
        else:
            super()._on_eof()


class WebSocketServer:
    """The WebSocket layer of one inbound."""

    def __init__(self, settings: WebSocketSettings, wheel: Wheel, trusted: Sequence[str] = ()) -> None:
        """`trusted`: headers that, where present, make X-Forwarded-For count."""
        self.settings = settings
        self.trusted = trusted
        self._wheel = wheel

    def accept(self, lower: Stream, source: HostPort, local: HostPort, then: Then) -> None:
        _ServerFace(self, lower, self._wheel, source, local, then)


class _ServerFace(WebSocketFace):
    __slots__ = ("_local", "_server", "_source", "_then")

    def __init__(
        self, server: WebSocketServer, lower: Stream, wheel: Wheel, source: HostPort, local: HostPort, then: Then
    ) -> None:
        self._server = server
        self._source = source
        self._local = local
        self._then = then
        super().__init__(lower, wheel, SERVER_HANDSHAKE_S, server.settings.heartbeat_period, is_client=False)

    def _on_head(self, head: bytes) -> None:
        request = parse_head(head)
        settings = self._server.settings
        if request.path != settings.plain_path or not host_matches(request, settings.host):
            self._refuse(404, "WebSocket: another path or host was asked for")
            return
        key = request.get("sec-websocket-key") or ""
        if (request.first[0] != "GET" or not request.has_word("connection", "upgrade")
                or not request.has_word("upgrade", "websocket") or request.get("sec-websocket-version") != "13"
                or not is_key(key)):
            self._refuse(400, "WebSocket: this is no upgrade")
            return
        offered = request.get("sec-websocket-protocol") or ""
        early = decode_early(offered) if offered else None
        answer = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_key(key))]
        if early is not None:
            answer.append(("Sec-WebSocket-Protocol", offered))
        self._lower.write(encode_head("HTTP/1.1 101 Switching Protocols", answer))
        if self.is_over:
            return
        forwarded = forwarded_source(request, self._server.trusted)
        source = (forwarded, 0) if forwarded else self._source
        self._ready()
        self._then(self, source, self._local)
        if early and not self.is_over:
            self.peer.write(early)

    def _refuse(self, status: int, reason: str) -> None:
        self._lower.write(encode_head(_REFUSALS[status], [("Content-Length", "0"), ("Connection", "close")]))
        if not self.is_over:
            self._part()
            self._lower.close()


class WebSocketClient:
    """The WebSocket layer of one outbound."""

    def __init__(self, settings: WebSocketSettings, wheel: Wheel, server_name: str = "") -> None:
        """`server_name`: that of TLS below, for the Host header if the settings name none."""
        self.settings = settings
        self._wheel = wheel
        self._server_name = server_name

    def wrap(self, lower: Stream, destination: Destination) -> Stream:
        host = self.settings.written_host or self._server_name or host_of(destination)
        face = _ClientFace(self.settings, host, lower, self._wheel)
        if not self.settings.early_bytes:
            face.ask(b"")
        return face


def host_of(destination: Destination) -> str:
    """A destination's address as it is written in a Host header, without the port."""
    host = destination.host if isinstance(destination.host, str) else ip_text(destination.host)
    return f"[{host}]" if ":" in host else host


class _ClientFace(WebSocketFace):
    __slots__ = ("_has_asked", "_host", "_key", "_settings")

    def __init__(self, settings: WebSocketSettings, host: str, lower: Stream, wheel: Wheel) -> None:
        self._settings = settings
        self._host = host
        self._key = base64.b64encode(os.urandom(16)).decode()
        self._has_asked = False
        super().__init__(lower, wheel, CLIENT_HANDSHAKE_S, settings.heartbeat_period, is_client=True)

    def ask(self, early: bytes) -> None:
        """Send the request, with the first bytes of the stream in it."""
        self._has_asked = True
        fields = [
            ("Host", self._host), *self._settings.extra_headers, ("Upgrade", "websocket"), ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self._key), ("Sec-WebSocket-Version", "13"),
        ]
        if early:
            fields.append(("Sec-WebSocket-Protocol", encode_early(early)))
        self._lower.write(encode_head(f"GET {self._settings.target} HTTP/1.1", fields))

    def write(self, data: Buffer) -> None:
        if self._has_asked:
            super().write(data)
        elif not self._sent_end and len(data):
            if len(data) <= self._settings.early_bytes:
                self.peer.pause()
                self.ask(bytes(data))
            else:
                super().write(data)
                self.ask(b"")

    def write_eof(self) -> None:
        if not self._has_asked:
            self.ask(b"")
        super().write_eof()

    def _ready(self) -> None:
        super()._ready()
        if not self.is_over and not self._is_lower_full:
            self.peer.resume()          # also where the early data was all

    def _on_head(self, head: bytes) -> None:
        answer = parse_head(head)
        if answer.first[1] != "101":
            raise PeerError(f"WebSocket: the server answered {answer.first[1][:3]}")
        if (not answer.has_word("connection", "upgrade") or not answer.has_word("upgrade", "websocket")
                or not hmac.compare_digest((answer.get("sec-websocket-accept") or "").encode(), accept_key(self._key).encode())):
            raise PeerError("WebSocket: the server's answer is no upgrade")
        self._ready()
