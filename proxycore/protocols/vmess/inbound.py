"""The VMess server. A client that cannot prove who it is gets no answer: it is read to the threshold, then closed."""

from __future__ import annotations

import os
from collections.abc import Hashable

from proxycore.destination import HostPort, Request
from proxycore.errors import PeerError
from proxycore.net.failure_log import FailureLog
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import Inbound, InboundContext
from proxycore.protocols.vmess.authenticator import Authenticator, SeenRequests, VmessCredential
from proxycore.protocols.vmess.body_codec import Encoder, PaddingSource, body_decoder, body_encoder
from proxycore.protocols.vmess.drain import DrainPolicy
from proxycore.protocols.vmess.faces import PacketFace, PlainFace, SealedFace
from proxycore.protocols.vmess.header_codec import Command, Option, RequestDecoder, RequestHeader, encode_response
from proxycore.protocols.vmess.settings import VmessInboundSettings
from proxycore.stream import NULL_STREAM, Buffer, PacketStream, Stream

PACKETS_LINGER_S = 2                # in which answers still reach a client that has ended its flow of datagrams


class VmessInbound(Inbound):
    """One configured VMess server."""

    def __init__(self, settings: VmessInboundSettings, context: InboundContext) -> None:
        credentials = [user.credential for user in settings.accounts]
        self.wheel = context.wheel
        self.policy = context.policy
        seen = context.memory.setdefault(SeenRequests, SeenRequests())
        assert isinstance(seen, SeenRequests)
        self.authenticator = Authenticator(credentials, context.now, seen)
        self.failures = FailureLog(context.tag, context.wheel, context.on_failure)
        self._tag = context.tag
        self._dispatcher = context.dispatcher
        self._drain = DrainPolicy(credential.user_id for credential in credentials)
        self._padding = PaddingSource(os.urandom)

    def accept(self, stream: Stream, source: HostPort, local: HostPort) -> None:
        handshake = Handshake(self, stream, source, local)
        stream.peer = handshake
        self.wheel.watch(handshake, self.policy.level(0).handshake_s)

    def admits(self, owner: Hashable) -> bool:
        return self.authenticator.knows(owner)

    def take_over(self, old: Inbound) -> None:
        assert isinstance(old, VmessInbound)
        old.authenticator.take_users(self.authenticator)
        self.authenticator = old.authenticator

    def drain_bytes(self) -> int:
        """What to read from one failed connection in all."""
        return self._drain.total_bytes(int.from_bytes(os.urandom(4), "big"))

    def start(self, header: RequestHeader, credential: VmessCredential, lower: Stream, source: HostPort,
              local: HostPort) -> SealedFace:
        """Join `lower` to a dispatched stream; return its face for what comes in."""
        lower.claim(credential)
        request = Request(header.destination, self._tag, source, local, credential.email, credential.level)
        lower.obey(self.policy.level(credential.level).client)
        decoder = body_decoder(header, is_response=False)
        encoder = body_encoder(header, self._padding, is_response=True)
        answer = encode_response(header)
        marks_end = bool(header.options & Option.CHUNK_STREAM) and credential.sends_end_mark
        if header.command is Command.UDP:
            packets = ServedPackets(self.wheel, lower, encoder, answer, marks_end=marks_end)
            lower.peer = sealed = SealedFace(packets, decoder)
            self._dispatcher.dispatch_packets(request, packets)
        else:
            stream = PlainFace(lower, encoder, answer, marks_end=marks_end)
            lower.peer = sealed = SealedFace(stream, decoder)
            self._dispatcher.dispatch(request, stream)
        return sealed


class Handshake(Stream):
    """The peer of an accepted stream until its header is complete, or while it is drained."""

    __slots__ = (
        "_decoder", "_inbound", "_limit_bytes", "_local", "_received_bytes", "_sealed", "_source", "_stream", "wheel_slot")

    def __init__(self, inbound: VmessInbound, stream: Stream, source: HostPort, local: HostPort) -> None:
        self._inbound = inbound
        self._stream = stream
        self._source = source
        self._local = local
        self._decoder: RequestDecoder[VmessCredential] | None = RequestDecoder(inbound.authenticator.authenticate)
        self._received_bytes = 0
        self._limit_bytes = 0
        self._sealed: SealedFace | None = None      # who takes over; a neighbour may still hold us for this turn
        self.wheel_slot = -1

    def write(self, data: Buffer) -> None:
        if self._sealed is not None:
            self._sealed.write(data)
            return
        self._received_bytes += len(data)
        decoder = self._decoder
        if decoder is not None:
            try:
                header = decoder.feed(data)
                if header is None:
                    return
                credential = decoder.credential
                assert credential is not None
                self._inbound.authenticator.accept_session(credential, header)
            except PeerError as error:
                self._decoder = None
                self._limit_bytes = self._inbound.drain_bytes()
                self._inbound.failures.report(self._source, error)
            else:
                self._decoder = None
                self._inbound.wheel.forget(self)
                self._sealed = self._inbound.start(header, credential, self._stream, self._source, self._local)
                if len(decoder.rest):
                    self._sealed.write(decoder.rest)
                return
        if self._received_bytes >= self._limit_bytes:
            self._end()

    def write_eof(self) -> None:
        if self._sealed is not None:
            self._sealed.write_eof()
            return
        if self._decoder is not None and self._received_bytes:
            self._inbound.failures.report(self._source, PeerError("it ended within the header"))
        self._end()

    def close(self) -> None:
        if self._sealed is not None:
            self._sealed.close()
        else:
            self._forget()

    def abort(self, error: Exception | None) -> None:
        if self._sealed is not None:
            self._sealed.abort(error)
        else:
            self._forget()

    def pause(self) -> None:
        if self._sealed is not None:
            self._sealed.pause()

    def resume(self) -> None:
        if self._sealed is not None:
            self._sealed.resume()

    def on_watch(self) -> None:
        if self._decoder is not None:
            self._inbound.failures.report(self._source, TimeoutError("no whole header in time"))
        self._end()

    def _end(self) -> None:
        stream = self._stream
        self._forget()
        stream.close()

    def _forget(self) -> None:
        self._inbound.wheel.forget(self)
        self._decoder = None
        self._stream.peer = NULL_STREAM
        self._stream = NULL_STREAM


class ServedPackets(PacketFace):
    """A client's flow of datagrams. Its end does not cut off the answers that are on their way."""

    __slots__ = ("_wheel", "wheel_slot")

    def __init__(self, wheel: Wheel, lower: Stream, encoder: Encoder, header: bytes, *, marks_end: bool) -> None:
        super().__init__(lower, encoder, header, marks_end=marks_end)
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
