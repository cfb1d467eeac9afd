"""Where a request meets the router: the outbound that was chosen takes the stream over."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from proxycore.blocks import Blocks
from proxycore.destination import Destination, Request
from proxycore.errors import LinkDown, ProxyError
from proxycore.messages.events import Refusal
from proxycore.metering import metered, metered_packets
from proxycore.mux.pool import MUX_DOMAIN
from proxycore.mux.server import MuxServer
from proxycore.mux.session import MuxPacketSession, MuxSession
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel
from proxycore.news import News
from proxycore.policy import Policy
from proxycore.protocols.base import Dispatcher, Outbound
from proxycore.resolving import Resolving
from proxycore.routing.router import Router
from proxycore.stats import Stats
from proxycore.stream import NULL_PACKETS, NULL_STREAM, PacketStream, Stream

_log = logging.getLogger("xrev.dispatch")


class Access(Protocol):
    """The access log."""

    def accepted(self, request: Request, out_tag: str) -> None: ...

    def rejected(self, request: Request, reason: str) -> None: ...


class RoutingDispatcher:
    """Routes requests that come out of a tunnel, or from our own bridges.

    What it routes by (`router`, `outbounds`, `access`) may be replaced at any time, for requests from then on.
    """

    def __init__(
        self, router: Router, outbounds: Mapping[str, Outbound], access: Access, stats: Stats, resolving: Resolving | None = None,
        news: News | None = None, blocks: Blocks | None = None,
    ) -> None:
        """Without `resolving` decisions never wait for addresses."""
        self._news = news
        self._blocks = blocks
        self._stats = stats
        self.router = router
        self.outbounds = outbounds
        self.access = access
        self._resolving = resolving

    def dispatch(self, request: Request, stream: Stream) -> None:
        if self.router.resolves and self._resolving is not None and self.router.wants_addresses(request):
            self._resolving.dispatch(request, stream, self)
            return
        outbound = self._choose(request)
        if outbound is None:
            stream.peer = NULL_STREAM
            stream.abort(LinkDown("no outbound"))
            return
        try:
            if request.user:
                self._open_for_user(outbound, request, stream)
            else:
                outbound.open(request, stream)
        except ProxyError as error:
            stream.abort(error)
        except Exception:   # noqa: BLE001 - a bug of ours must cost this one connection only
            _log.exception("outbound %s", outbound.tag)
            stream.abort(None)

    def dispatch_packets(self, request: Request, packets: PacketStream) -> None:
        if self.router.resolves and self._resolving is not None and self.router.wants_addresses(request):
            self._resolving.dispatch_packets(request, packets, self)
            return
        outbound = self._choose(request)
        if outbound is None:
            packets.peer = NULL_PACKETS
            packets.close()
            return
        try:
            if request.user:
                self._open_packets_for_user(outbound, request, packets)
            else:
                outbound.open_packets(request, packets)
        except ProxyError as error:
            _log.info("%s: %s", request.destination, error)
            packets.close()
        except Exception:   # noqa: BLE001 - the same
            _log.exception("outbound %s", outbound.tag)
            packets.close()

    def _open_for_user(self, outbound: Outbound, request: Request, stream: Stream) -> None:
        """As `outbound.open`, with the payload counted for the user. Raises what that raises."""
        user, ip = self._stats.user(request.user, request.level), request.source[0] if request.source is not None else ""
        if stream.charge(user, ip):
            outbound.open(request, stream)
        elif outbound.is_metered:
            outbound.open(request, stream)
            stream.peer.charge(user, ip)
        else:
            outbound.open(request, metered(stream, user, ip))

    def _open_packets_for_user(self, outbound: Outbound, request: Request, packets: PacketStream) -> None:
        user, ip = self._stats.user(request.user, request.level), request.source[0] if request.source is not None else ""
        if packets.charge(user, ip):
            outbound.open_packets(request, packets)
        elif outbound.is_metered:
            outbound.open_packets(request, packets)
            packets.peer.charge(user, ip)
        else:
            outbound.open_packets(request, metered_packets(packets, user, ip))

    def _choose(self, request: Request) -> Outbound | None:
        if self._blocks is not None and self._blocks.until and self._blocks.refuses(request):
            self.access.rejected(request, "its source is blocked")
            return None
        tag = self.router.pick(request)
        outbound = self.outbounds.get(tag) if tag is not None else None
        if outbound is None:
            self.access.rejected(request, "no outbound")
            if self._news is not None:
                self._news.refused(
                    Refusal.NO_ROUTE, request.inbound_tag, request.source, f"no rule says where {request.destination} goes"
                    if tag is None else f"{request.destination} is to go to {tag}, which is not there")
        else:
            self.access.accepted(request, outbound.tag)
        return outbound


class InboundDispatcher:
    """The same for requests that an inbound accepted: there a request for v1.mux.cool is a carrier of many more."""

    def __init__(self, inner: Dispatcher, loop: Loop, wheel: Wheel, policy: Policy) -> None:
        self._policy = policy
        self._inner = inner
        self._loop = loop
        self._wheel = wheel

    def dispatch(self, request: Request, stream: Stream) -> None:
        host = request.destination.host
        if not isinstance(host, str) or host != MUX_DOMAIN:
            self._inner.dispatch(request, stream)
            return

        def accept_stream(destination: Destination, session: MuxSession) -> None:
            session.buffer_bytes = self._policy.level(request.level).buffer_bytes
            self._inner.dispatch(request._replace(destination=destination), session)

        def accept_packets(destination: Destination, packets: MuxPacketSession) -> None:
            self._inner.dispatch_packets(request._replace(destination=destination), packets)

        carrier = MuxServer(self._loop, self._wheel, accept_stream, accept_packets)
        carrier.peer, stream.peer = stream, carrier

    def dispatch_packets(self, request: Request, packets: PacketStream) -> None:
        self._inner.dispatch_packets(request, packets)
