"""One document, running: listeners, router, outbounds, portals and bridges put together."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from functools import partial

from proxycore.balancing.observation import Observations
from proxycore.destination import Destination, Request
from proxycore.dispatcher import InboundDispatcher, RoutingDispatcher
from proxycore.dns.build import Ways, build_dns
from proxycore.dns.dns import Dns
from proxycore.document import model
from proxycore.document.model import LoadedDocument
from proxycore.document.stream_settings import PLAIN
from proxycore.errors import ConfigError
from proxycore.logs import AccessLog, SilentAccessLog, open_access_log
from proxycore.mux.pool import MuxPool
from proxycore.net.dial import Dialer
from proxycore.net.listen import Listener, bind
from proxycore.net.poller import Poller
from proxycore.net.resolve import Resolve, resolve
from proxycore.net.socket_stream import Census
from proxycore.net.udp import UdpListener, UdpSocket
from proxycore.net.unix import UnixAddress, bind_unix
from proxycore.net.wheel import Wheel
from proxycore.observatory.balancing import Balancing
from proxycore.observatory.observer import Surroundings
from proxycore.protocols.base import Dial, Inbound, InboundContext, Outbound, OutboundContext, Strategy
from proxycore.reverse import dialect
from proxycore.reverse.bridge import Bridge, OpenCarrier
from proxycore.reverse.portal import Portal
from proxycore.sniff.dispatching import SniffingDispatcher
from proxycore.stream import PacketStream, Stream
from proxycore.transport.chain import ChainedDial
from proxycore.transport.sockopt import Sockopt
from proxycore.transport.stack import client_layers, server_layers, through_client, through_server

MAX_LISTENING_PORTS = 4096
"""Of one instance: a range is easily written a digit too long."""

DRAIN_STEP_S = 0.05

_log = logging.getLogger("xrev.instance")


class Instance:
    """Runs one document on `loop`."""

    def __init__(self, loaded: LoadedDocument, loop: asyncio.AbstractEventLoop) -> None:
        self._document = loaded.document
        self._loop = loop
        self._poller = Poller(loop)
        self._wheel = Wheel(loop)
        self._clients = Census()        # sockets of clients and of targets
        self._carriers = Census()       # sockets between cores
        self._listeners: list[Listener | UdpListener] = []
        self._inbounds: list[Inbound] = []
        self._access: AccessLog = SilentAccessLog()
        self._resolve: Resolve = resolve
        self._dns: Dns | None = None
        self.outbounds: dict[str, Outbound] = {}
        self.portals: list[Portal] = []
        self._tunnels: dict[str, Portal] = {}       # those of `portals` that have no domain, by tag
        self.bridges: list[Bridge] = []
        self.router = self._document.router()
        self._balancing: Balancing | None = None

    async def start(self) -> None:
        """Listen on every port, then start the bridges. All or nothing: what fails leaves nothing listening.

        Raises: ConfigError, a part of the document cannot be run here (a port is taken, say). OSError, the access log.
        """
        log = self._document.log
        if log is not None:
            self._access = open_access_log(log.access, self._loop, log.mask_address)
        try:
            self._build()
        except ConfigError:
            self.stop()
            raise
        for bridge in self.bridges:
            bridge.start()
        if self._balancing is not None:
            self._balancing.start()

    async def drain(self, timeout_s: float) -> None:
        """Accept nothing new and open no carriers; return when no client is connected any more, or after `timeout_s`."""
        for listener in self._listeners:
            if isinstance(listener, Listener):
                listener.close()
        for bridge in self.bridges:
            bridge.close()
        end_s = self._loop.time() + timeout_s
        while self._clients.count and self._loop.time() < end_s:
            await asyncio.sleep(DRAIN_STEP_S)

    def stop(self) -> None:
        """End everything now. May be called twice."""
        if self._balancing is not None:
            self._balancing.stop()
        for listener in self._listeners:
            listener.close()
        for bridge in self.bridges:
            bridge.stop()
        for portal in self.portals:
            portal.stop()
        for inbound in self._inbounds:
            inbound.close()
        if self._dns is not None:
            self._dns.close()
        self._wheel.stop()
        self._poller.close()
        self._access.close()

    def _build(self) -> None:
        document = self._document
        routing = RoutingDispatcher(self.router, self.outbounds, self._access)
        dial = Dialer(self._poller, self._wheel, self._clients, is_carrier=False).dial
        self._dns = build_dns(document.dns, Ways(self._loop, self._wheel, routing, dial, resolve))
        if document.dns is not None:
            self._resolve = self._dns.resolve
        for outbound in document.outbounds:
            self.outbounds.setdefault(outbound.tag, self._outbound(outbound, routing))
        for entry in document.portals:
            fixed = None if entry.dialect == "auto" else entry.dialect
            portal = Portal(entry.tag, entry.domain, self._poller, self._wheel, fixed)
            self.portals.append(portal)
            self.outbounds[entry.tag] = portal
        for inbound in document.inbounds:
            for tag in inbound.settings.provides_outbound_tags():
                self._add_tunnel(tag)
        self._balance()
        for bridge in document.bridges:
            self.bridges.append(Bridge(bridge.tag, bridge.domain, routing, self._poller, self._wheel))
        dispatcher = InboundDispatcher(routing, self._poller, self._wheel)
        for inbound in document.inbounds:
            if inbound.sniffing is None:
                self._listen(inbound, dispatcher)
            else:
                sniffing = SniffingDispatcher(routing, inbound.sniffing, self._poller)
                self._listen(inbound, InboundDispatcher(sniffing, self._poller, self._wheel))

    @property
    def observations(self) -> Observations:
        """What the observatory knows of outbounds, by tag; empty without one."""
        return self._balancing.observations if self._balancing is not None else {}

    def _balance(self) -> None:
        direct = Dialer(self._poller, self._wheel, self._clients, is_carrier=False, resolve=self._resolve).dial
        around = Surroundings(self.outbounds, self._poller, self._wheel, direct, time.time)
        self._balancing = self.router.balancing = Balancing(self._document.balancers, self._document.observed, around)

    def _outbound(self, entry: model.Outbound, dispatcher: RoutingDispatcher) -> Outbound:
        context = OutboundContext(
            entry.tag, entry.path, self._dial(entry), self._open_udp, self._wheel, time.time,
            keep_tunnel=partial(self._keep_tunnel, dispatcher), dispatcher=dispatcher,
            names=self._dns,
        )
        outbound = entry.side.build(entry.settings, context)
        if not entry.mux.enabled:
            return outbound
        mux = entry.mux
        return MuxPool(outbound, self._poller, self._wheel, mux.tcp_concurrency, mux.xudp_concurrency, mux.udp443)

    def _dial(self, entry: model.Outbound) -> Dial:
        """How this outbound reaches its servers: by a socket, or through another outbound; then up its transport."""
        is_carrier = entry.spec.is_carrier
        stream = entry.stream
        proxy_tag = entry.proxy_tag or stream.sockopt.dialer_proxy
        if proxy_tag:
            dial: Dial = ChainedDial(proxy_tag, lambda: self.outbounds.get(proxy_tag), self._poller.call_soon)
        else:
            census = self._carriers if is_carrier else self._clients
            is_plain = stream.sockopt == PLAIN.sockopt and not entry.send_through
            options = None if is_plain else Sockopt(stream.sockopt, entry.send_through)
            dial = Dialer(
                self._poller, self._wheel, census, is_carrier=is_carrier, options=options, resolve=self._resolve).dial
        return through_client(client_layers(stream, entry.path, self._wheel), dial, stream.sockopt.domain_strategy)

    def _add_tunnel(self, tag: str) -> None:
        """The outbound of a tunnel that clients of inbounds open; the same for all of them that name `tag`."""
        if tag not in self._tunnels:
            self._tunnels[tag] = Portal(tag, None, self._poller, self._wheel, dialect.XRAY_25_9, tells_addresses=True)
            self.portals.append(self._tunnels[tag])
            self.outbounds[tag] = self._tunnels[tag]

    def _join_tunnel(self, tag: str, request: Request, stream: Stream) -> None:
        self._tunnels[tag].register(request, stream)

    def _keep_tunnel(self, dispatcher: RoutingDispatcher, origin: Request, open_carrier: OpenCarrier) -> None:
        self.bridges.append(Bridge(
            origin.inbound_tag, str(origin.destination.host), dispatcher, self._poller, self._wheel,
            user=origin.user, level=origin.level, open_carrier=open_carrier,
        ))

    def _open_udp(
        self, default: Destination, strategy: Strategy = Strategy.AS_IS, *, hides_source: bool = False
    ) -> PacketStream:
        return UdpSocket(self._loop, self._wheel, default, strategy, hides_source=hides_source, resolve=self._resolve)

    def _listen(self, entry: model.Inbound, dispatcher: InboundDispatcher) -> None:
        ports = [port for first, last in entry.ports for port in range(max(first, 1), last + 1)]
        if len(ports) + len(self._listeners) > MAX_LISTENING_PORTS:
            raise ConfigError(f"{entry.path}.port", f"an instance listens on {MAX_LISTENING_PORTS} ports at most")
        dialer = Dialer(self._poller, self._wheel, self._clients, is_carrier=False, resolve=self._resolve)
        context = InboundContext(
            entry.tag, entry.path, dispatcher, self._wheel, time.time, ports[0] if ports else 0,
            join_tunnel=self._join_tunnel, dial=dialer.dial, dial_unix=dialer.dial_unix,
        )
        inbound: Inbound = entry.side.build(entry.settings, context)
        self._inbounds.append(inbound)
        address = "" if entry.listen is None else str(entry.listen)
        path = f"{entry.path}.port"
        census = self._carriers if entry.spec.is_carrier else self._clients
        accept = through_server(server_layers(entry.stream, entry.path, self._wheel), inbound.accept)
        options = None if entry.stream.sockopt == PLAIN.sockopt else Sockopt(entry.stream.sockopt)
        if isinstance(entry.listen, UnixAddress):
            sock, clean_up = bind_unix(entry.listen, f"{entry.path}.listen")
            is_carrier = entry.spec.is_carrier
            self._listeners.append(
                Listener(self._poller, self._wheel, census, sock, accept, is_carrier=is_carrier, clean_up=clean_up))
            _log.info("%s: listening on %s", entry.tag or entry.path, entry.listen)
        for port in ports:
            for network in sorted(inbound.networks):
                if network == "tcp":
                    sock = bind(address, port, socket.SOCK_STREAM, path, options)
                    is_carrier = entry.spec.is_carrier
                    tcp = Listener(
                        self._poller, self._wheel, census, sock, accept, is_carrier=is_carrier, options=options)
                    self._listeners.append(tcp)
                else:
                    sock = bind(address, port, socket.SOCK_DGRAM, path)
                    self._listeners.append(UdpListener(self._loop, self._wheel, sock, inbound.accept_packets))
                _log.info("%s: listening on %s:%d/%s", entry.tag or entry.path, address or "*", port, network)
