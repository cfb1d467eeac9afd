"""The accepting side: CONNECT becomes a stream, each plain request an exchange of its own."""

from __future__ import annotations

import hmac
from collections.abc import Hashable

from proxycore.destination import Destination, HostPort, Request
from proxycore.errors import AuthError, LimitError, PeerError
from proxycore.net.failure_log import FailureLog
from proxycore.protocols.base import Inbound, InboundContext
from proxycore.protocols.http.codec import AUTH_REQUIRED, BAD_REQUEST, ESTABLISHED, UNAVAILABLE, PlainRequest
from proxycore.protocols.http.codec_head import HeadReader, RequestHead, decode_basic, parse_authority, parse_request
from proxycore.protocols.http.exchange import Exchange
from proxycore.protocols.http.settings import HttpInboundSettings
from proxycore.stream import NULL_STREAM, Buffer, Stream
from proxycore.wire.answered import AnsweredStream
from proxycore.wire.current import Current

PLAIN_PROTOCOL = "http/1.1"
"""What `protocol` rules see of a plain request (sniffing would say http1)."""

MAX_KEPT_BYTES = 512 * 1024
"""Of the next requests while one is under way: two reads, since a pause may come one read late."""


class HttpInbound(Inbound):
    """One configured HTTP proxy."""

    def __init__(self, settings: HttpInboundSettings, context: InboundContext) -> None:
        self.wheel = context.wheel
        self.failures = FailureLog(context.tag, context.wheel, context.on_failure)
        self.dispatcher = context.dispatcher
        self.allow_transparent = settings.allow_transparent
        self._tag = context.tag
        self._level = settings.user_level
        self.level = context.policy.level(settings.user_level)
        self._logins = Current(settings.logins)

    def accept(self, stream: Stream, source: HostPort, local: HostPort) -> None:
        stream.peer = Client(self, stream, source, local)

    def admits(self, owner: Hashable) -> bool:
        return self._logins.value is None or owner in self._logins.value

    def take_over(self, old: Inbound) -> None:
        assert isinstance(old, HttpInbound)
        self._logins = old._logins.follow(self._logins)

    def user_of(self, head: RequestHead, stream: Stream) -> str | None:
        """Who sent it, on `stream`; None: nobody that may."""
        logins = self._logins.value
        if logins is None:
            return ""
        login = decode_basic(head.fields)
        if login is None:
            return None
        found = None
        for known, user in logins.items():
            if hmac.compare_digest(known, login):
                found = user
        if found is not None:
            stream.claim(login)
        return found

    def request(self, destination: Destination, source: HostPort, local: HostPort, user: str) -> Request:
        return Request(destination, self._tag, source, local, user, self._level)


class Client(Stream):
    """The peer of an accepted stream, until it becomes a tunnel."""

    __slots__ = (
        "_exchange", "_has_ended", "_inbound", "_is_over", "_kept", "_local", "_reader", "_source", "_stream", "wheel_slot")

    def __init__(self, inbound: HttpInbound, stream: Stream, source: HostPort, local: HostPort) -> None:
        self._inbound = inbound
        self._stream = stream
        self._source = source
        self._local = local
        self._reader = HeadReader()
        self._exchange: Exchange | None = None
        self._kept = bytearray()        # of the next requests
        self._has_ended = False         # the client will send nothing more
        self._is_over = False
        self.wheel_slot = -1
        inbound.wheel.watch(self, inbound.level.handshake_s)

    def write(self, data: Buffer) -> None:
        if self._is_over:
            self._stream.peer.write(data)       # a neighbour may still hold us for the turn in which we left
            return
        exchange = self._exchange
        if exchange is not None:
            try:
                size = exchange.send_body(data)
            except PeerError as error:
                self._fail(error, b"")
                return
            if size < len(data) and not self._is_over:
                if self._exchange is None:      # its answer ended it meanwhile
                    self.write(memoryview(data)[size:])
                    return
                self._kept += memoryview(data)[size:]
                self._stream.pause()
                if len(self._kept) > MAX_KEPT_BYTES:
                    self._fail(LimitError("bytes of requests ahead", got=len(self._kept), limit=MAX_KEPT_BYTES), b"")
            return
        try:
            if not self._reader.feed(data):
                return
            head = parse_request(self._reader.head)
        except PeerError as error:
            self._fail(error, b"")
            return
        rest, self._reader = self._reader.rest, HeadReader()
        self._inbound.wheel.forget(self)
        self._begin(head, rest)

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        inbound = self._inbound
        user = inbound.user_of(head, self._stream)
        if user is None:
            self._fail(AuthError("no user name and password that are known"), AUTH_REQUIRED)
            return
        try:
            if head.method == b"CONNECT":
                destination = parse_authority(head.target)
            else:
                plain = PlainRequest(head, allow_transparent=inbound.allow_transparent)
                destination = plain.destination
        except PeerError as error:
            self._fail(error, BAD_REQUEST)
            return
        request = inbound.request(destination, self._source, self._local, user)
        if head.method == b"CONNECT":
            stream = self._stream
            self._leave()
            answered = AnsweredStream(stream, ESTABLISHED, lambda error: UNAVAILABLE)
            inbound.dispatcher.dispatch(request, answered)
            answered.settle()
            if rest:
                stream.peer.write(rest)
            return
        request = request._replace(protocol=PLAIN_PROTOCOL, attributes=plain.attributes)
        exchange = self._exchange = Exchange(self._stream, plain, self._on_exchanged, keeps=plain.wants_reuse)
        inbound.dispatcher.dispatch(request, exchange)
        if self._exchange is exchange:
            exchange.peer.write(plain.head)
        if rest and not self._is_over:
            self.write(rest)

    def _on_exchanged(self, *, keeps: bool) -> None:
        """The answer has been sent whole, or cannot be (then `keeps` is false, and the exchange has said so)."""
        self._exchange = None
        if not keeps or self._has_ended:
            stream = self._stream
            self._leave()
            stream.close()
            return
        self._inbound.wheel.watch(self, self._inbound.level.handshake_s)
        kept, self._kept = self._kept, bytearray()
        self._stream.resume()
        if kept:
            self.write(kept)

    def write_eof(self) -> None:
        if self._is_over:
            self._stream.peer.write_eof()
            return
        self._has_ended = True
        if self._exchange is None:
            stream = self._stream
            self._leave()
            stream.close()
        elif not self._exchange.is_sent:
            self._fail(PeerError("the request ended within its body"), b"")

    def close(self) -> None:
        self.abort(None)

    def abort(self, error: Exception | None) -> None:
        if self._is_over:
            self._stream.peer.abort(error)
            return
        exchange = self._exchange
        self._leave()
        if exchange is not None:
            exchange.give_up(error)

    def pause(self) -> None:
        if self._is_over:
            self._stream.peer.pause()
        elif self._exchange is not None:
            self._exchange.peer.pause()

    def resume(self) -> None:
        if self._is_over:
            self._stream.peer.resume()
        elif self._exchange is not None:
            self._exchange.peer.resume()

    def on_watch(self) -> None:
        if self._reader.has_begun:
            self._inbound.failures.report(self._source, TimeoutError("no whole request in time"))
        stream = self._stream
        self._leave()
        stream.close()

    def _fail(self, error: PeerError, answer: bytes) -> None:
        self._inbound.failures.report(self._source, error)
        stream, exchange = self._stream, self._exchange
        self._leave()
        if exchange is not None:
            exchange.give_up(error)
        if answer:
            stream.write(answer)
        stream.close()

    def _leave(self) -> None:
        self._inbound.wheel.forget(self)
        self._is_over = True
        self._exchange = None
        self._kept.clear()
        self._stream.peer = NULL_STREAM
