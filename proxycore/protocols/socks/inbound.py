"""The accepting side. Success is told once the outbound has connected, where it can tell; the cores tell it before."""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable

import proxycore.protocols
from proxycore.destination import HostPort, Request, parse_host
from proxycore.errors import DialError, PeerError
from proxycore.net.failure_log import FailureLog
from proxycore.protocols.base import Inbound, InboundContext
from proxycore.protocols.socks.codec import (
    GENERAL_FAILURE,
    HOST_UNREACHABLE,
    NETWORK_UNREACHABLE,
    NOT_ALLOWED,
    REFUSED,
    SOCKS4_GRANTED,
    SOCKS4_REFUSED,
    SUCCEEDED,
    Command,
    Refusal,
    ServerDecoder,
    SocksRequest,
    encode_reply,
)
from proxycore.protocols.socks.relay import UdpRelay
from proxycore.protocols.socks.settings import SocksInboundSettings
from proxycore.stream import NULL_STREAM, Buffer, PacketStream, Stream
from proxycore.wire.answered import AnsweredStream
from proxycore.wire.current import Current

_VERSIONS = (4, 5)
_CODES = {
    os.strerror(errno.ECONNREFUSED): REFUSED,
    os.strerror(errno.EHOSTUNREACH): HOST_UNREACHABLE,
    os.strerror(errno.ENETUNREACH): NETWORK_UNREACHABLE,
}


def refusal_code(error: Exception | None) -> int:
    """What SOCKS 5 calls the reason. None: the outbound closed the stream in order, as blackhole does."""
    if error is None:
        return NOT_ALLOWED
    if isinstance(error, DialError):
        return _CODES.get(error.reason, HOST_UNREACHABLE)
    return GENERAL_FAILURE


class SocksInbound(Inbound):
    """One configured SOCKS server."""

    def __init__(self, settings: SocksInboundSettings, context: InboundContext) -> None:
        self.networks = frozenset(settings.networks)
        self.passwords = Current(settings.passwords)
        self.takes_udp = settings.udp
        self.wheel = context.wheel
        self.failures = FailureLog(context.tag, context.wheel, context.on_failure)
        self.relay = UdpRelay(context, settings.user_level)
        self.http = _http_inbound(settings, context)
        self._context = context
        self._level = settings.user_level
        self._ip = parse_host(settings.ip) if settings.ip else None

    def accept(self, stream: Stream, source: HostPort, local: HostPort) -> None:
        handshake = Handshake(self, stream, source, local)
        stream.peer = handshake
        self.wheel.watch(handshake, self._context.policy.level(self._level).handshake_s)

    def admits(self, owner: Hashable) -> bool:
        passwords = self.passwords.value
        if passwords is None:
            return True
        if isinstance(owner, tuple):
            name, password = owner
            return bool(passwords.get(name) == password)
        return self.http is not None and self.http.admits(owner)

    def take_over(self, old: Inbound) -> None:
        assert isinstance(old, SocksInbound)
        self.passwords = old.passwords.follow(self.passwords)
        self.relay.take_over(old.relay)
        if self.http is not None and old.http is not None:
            self.http.take_over(old.http)

    def accept_packets(self, packets: PacketStream, source: HostPort, local: HostPort) -> None:
        self.relay.accept(packets, source, local)

    def start(self, wanted: SocksRequest, stream: Stream, source: HostPort, local: HostPort) -> None:
        """The handshake is over; `stream` gets its new peer."""
        if wanted.command is Command.ASSOCIATE:
            host = self._ip if self._ip is not None else parse_host(local[0])
            self.relay.associate(stream, source[0], wanted.user)
            stream.write(encode_reply(SUCCEEDED, host, local[1]))
            return
        if wanted.version == 4:
            answered = AnsweredStream(stream, SOCKS4_GRANTED, lambda error: SOCKS4_REFUSED)
        else:
            success = encode_reply(SUCCEEDED, parse_host(local[0]), local[1])
            answered = AnsweredStream(stream, success, lambda error: encode_reply(refusal_code(error)))
        request = Request(wanted.destination, self._context.tag, source, local, wanted.user, self._level)
        self._context.dispatcher.dispatch(request, answered)
        answered.settle()


def _http_inbound(settings: SocksInboundSettings, context: InboundContext) -> Inbound | None:
    """Who takes clients that do not speak SOCKS: the HTTP proxy, with the same accounts."""
    spec = proxycore.protocols.all_protocols().get("http")
    if spec is None or spec.inbound is None:
        return None
    document: dict[str, object] = {"userLevel": settings.user_level}
    if settings.passwords is not None:
        accounts = settings.users if settings.accounts is None else settings.accounts
        document["accounts"] = [{"user": one.user, "pass": one.password} for one in accounts or ()]
        if not accounts:
            return None         # nobody may come, and for HTTP no accounts would mean everybody
    return spec.inbound.build(spec.inbound.settings.model_validate(document), context)


class Handshake(Stream):
    """The peer of an accepted stream until its request is complete."""

    __slots__ = ("_decoder", "_inbound", "_is_over", "_local", "_source", "_stream", "wheel_slot")

    def __init__(self, inbound: SocksInbound, stream: Stream, source: HostPort, local: HostPort) -> None:
        self._inbound = inbound
        self._stream = stream
        self._source = source
        self._local = local
        self._decoder: ServerDecoder | None = None      # None: not a byte has come
        self._is_over = False
        self.wheel_slot = -1

    def write(self, data: Buffer) -> None:
        stream, inbound = self._stream, self._inbound
        if self._is_over:
            stream.peer.write(data)         # a neighbour may still hold us for the turn in which we left
            return
        decoder = self._decoder
        if decoder is None:
            if not len(data):
                return
            if data[0] not in _VERSIONS and inbound.http is not None:
                self._leave()
                inbound.http.accept(stream, self._source, self._local)
                stream.peer.write(data)
                return
            decoder = self._decoder = ServerDecoder(inbound.passwords.value, takes_udp=inbound.takes_udp)
        try:
            answer = decoder.feed(data)
        except PeerError as error:
            inbound.failures.report(self._source, error)
            self._end(error.answer if isinstance(error, Refusal) else b"")
            return
        if answer:
            stream.write(answer)
        if decoder.request is None or self._is_over:
            return
        if not inbound.admits(decoder.login or (b"", b"")):         # the accounts changed meanwhile
            self._end(b"")
            return
        if decoder.login is not None:
            stream.claim(decoder.login)
        self._leave()
        inbound.start(decoder.request, stream, self._source, self._local)
        if decoder.rest:
            stream.peer.write(decoder.rest)

    def write_eof(self) -> None:
        if self._is_over:
            self._stream.peer.write_eof()
        else:
            self._end(b"")

    def close(self) -> None:
        if self._is_over:
            self._stream.peer.close()
        else:
            self._leave()

    def abort(self, error: Exception | None) -> None:
        if self._is_over:
            self._stream.peer.abort(error)
        else:
            self._leave()

    def pause(self) -> None:
        if self._is_over:
            self._stream.peer.pause()

    def resume(self) -> None:
        if self._is_over:
            self._stream.peer.resume()

    def on_watch(self) -> None:
        self._inbound.failures.report(self._source, TimeoutError("no whole request in time"))
        self._end(b"")

    def _end(self, answer: bytes) -> None:
        stream = self._stream
        self._leave()
        if answer:
            stream.write(answer)
        stream.close()

    def _leave(self) -> None:
        self._inbound.wheel.forget(self)
        self._is_over = True
        self._stream.peer = NULL_STREAM
