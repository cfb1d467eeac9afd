"""The VLESS server. Who cannot prove who it is, or asks for what it may not have, is closed without a byte in answer;
if its beginning is no VLESS at all, it goes where `fallbacks` say."""

from __future__ import annotations

from collections.abc import Hashable

from proxycore.destination import HostPort, Request
from proxycore.errors import PeerError
from proxycore.mux.pool import CARRIER_DESTINATION
from proxycore.net.failure_log import FailureLog
from proxycore.protocols.base import Inbound, InboundContext
from proxycore.protocols.vless.fallback import FallbackChoice
from proxycore.protocols.vless.header_codec import RESPONSE, Command, NotVless, RequestDecoder, RequestHeader
from proxycore.protocols.vless.packet_faces import DatagramFace, ServedPackets
from proxycore.protocols.vless.settings import VlessInboundSettings
from proxycore.protocols.vless.stream_faces import AnswerFace
from proxycore.protocols.vless.users import Credential, Users
from proxycore.stream import NULL_STREAM, Buffer, Stream
from proxycore.transport.proxy_protocol_codec import encode_header

FALLBACK_BELOW_BYTES = 18           # a first read shorter than this is no VLESS, where there are fallbacks


class VlessInbound(Inbound):
    """One configured VLESS server."""

    def __init__(self, settings: VlessInboundSettings, context: InboundContext) -> None:
        self.users = Users(
            Credential(user.user_id, user.email, user.level, user.reverse.tag if user.reverse is not None else "")
            for user in settings.accounts)
        self.wheel = context.wheel
        self.failures = FailureLog(context.tag, context.wheel, context.on_failure)
        self.fallbacks = FallbackChoice(settings.fallbacks) if settings.fallbacks else None
        self._context = context

    def accept(self, stream: Stream, source: HostPort, local: HostPort) -> None:
        handshake = Handshake(self, stream, source, local)
        stream.peer = handshake
        self.wheel.watch(handshake, self._context.policy.level(0).handshake_s)

    def admits(self, owner: Hashable) -> bool:
        return self.users.knows(owner)

    def take_over(self, old: Inbound) -> None:
        assert isinstance(old, VlessInbound)
        old.users.take(self.users)
        self.users = old.users

    def start(
        self, header: RequestHeader, credential: Credential, lower: Stream, source: HostPort, local: HostPort, route: int
    ) -> None:
        """Join `lower` to what was asked for. `route` is in the id. Raises: PeerError, this user may not have it."""
        if not self.users.knows(credential):
            raise PeerError("a user who was removed meanwhile")
        if header.flow:
            raise PeerError("a flow is asked for")
        if (header.command is Command.REVERSE) != bool(credential.tunnel_tag):
            raise PeerError(f"command {int(header.command)} of a user for {'a tunnel' if credential.tunnel_tag else 'traffic'}")
        context = self._context
        destination = header.destination if header.destination is not None else CARRIER_DESTINATION
        request = Request(
            destination, context.tag, source, local, credential.email, credential.level, vless_route=route)
        lower.peer = NULL_STREAM
        lower.claim(credential)
        lower.obey(context.policy.level(credential.level).client)
        if header.command is Command.UDP:
            packets = ServedPackets(self.wheel, lower, RESPONSE)
            lower.peer = DatagramFace(packets)
            context.dispatcher.dispatch_packets(request, packets)
        elif header.command is Command.REVERSE:
            if context.join_tunnel is None:
                raise PeerError("there are no tunnels here")
            context.join_tunnel(credential.tunnel_tag, request, AnswerFace(lower))
        else:
            context.dispatcher.dispatch(request, AnswerFace(lower))

    def fall_back(self, received: Buffer, lower: Stream, source: HostPort, local: HostPort) -> bool:
        """Join `lower`, of which `received` has been read, to where the fallbacks say; False if they do not."""
        context = self._context
        if self.fallbacks is None or context.dial is None or context.dial_unix is None:
            return False
        fallback = self.fallbacks.choose(lower, received)
        if fallback is None:
            return False
        target = fallback.target
        out = context.dial_unix(target) if isinstance(target, str) else context.dial(target)
        out.peer, lower.peer = lower, out
        if fallback.xver:
            out.write(encode_header(fallback.xver, source, local))
        out.write(received)
        return True


class Handshake(Stream):
    """The peer of an accepted stream until its header is complete."""

    __slots__ = ("_decoder", "_inbound", "_local", "_source", "_stream", "wheel_slot")

    def __init__(self, inbound: VlessInbound, stream: Stream, source: HostPort, local: HostPort) -> None:
        self._inbound = inbound
        self._stream = stream
        self._source = source
        self._local = local
        self._decoder: RequestDecoder[Credential] | None = RequestDecoder(inbound.users.find)
        self.wheel_slot = -1

    def write(self, data: Buffer) -> None:
        decoder = self._decoder
        if decoder is None:             # a neighbour may still hold us for the turn in which the header came
            self._follower.write(data)
            return
        inbound = self._inbound
        try:
            if inbound.fallbacks is not None and not decoder.received and len(data) < FALLBACK_BELOW_BYTES:
                decoder.received += data
                raise NotVless(f"a first read of {len(data)} bytes")
            header = decoder.feed(data)
            if header is None:
                return
            assert decoder.credential is not None
            self._leave()
            inbound.start(header, decoder.credential, self._stream, self._source, self._local, decoder.route)
        except NotVless as error:
            self._leave()
            if not inbound.fall_back(decoder.received, self._stream, self._source, self._local):
                self._refuse(error)
        except PeerError as error:
            self._refuse(error)
        else:
            if len(decoder.rest):
                self._follower.write(decoder.rest)

    def write_eof(self) -> None:
        if self._decoder is None:
            self._follower.write_eof()
            return
        if self._decoder.received:
            self._inbound.failures.report(self._source, PeerError("it ended within the header"))
        self._end()

    def close(self) -> None:
        if self._decoder is None:
            self._follower.close()
        else:
            self._leave()

    def abort(self, error: Exception | None) -> None:
        if self._decoder is None:
            self._follower.abort(error)
        else:
            self._leave()

    def pause(self) -> None:
        if self._decoder is None:
            self._follower.pause()

    def resume(self) -> None:
        if self._decoder is None:
            self._follower.resume()

    def on_watch(self) -> None:
        self._inbound.failures.report(self._source, TimeoutError("no whole header in time"))
        self._end()

    @property
    def _follower(self) -> Stream:
        """Who took over."""
        peer = self._stream.peer
        return NULL_STREAM if peer is self else peer

    def _refuse(self, error: PeerError) -> None:
        self._inbound.failures.report(self._source, error)
        self._end()

    def _end(self) -> None:
        self._leave()
        self._stream.peer = NULL_STREAM
        self._stream.close()

    def _leave(self) -> None:
        self._inbound.wheel.forget(self)
        self._decoder = None
