"""The accepting side. No protocol bytes: the client's stream is the payload."""

from __future__ import annotations

import logging
from ipaddress import ip_address

from proxycore.destination import Destination, HostPort, IPAddress, Network, Request, parse_host
from proxycore.errors import PeerError
from proxycore.net.listen import UNIX_ADDRESS
from proxycore.protocols.base import Inbound, InboundContext
from proxycore.protocols.dokodemo.settings import DokodemoSettings
from proxycore.stream import NULL_PACKETS, NULL_STREAM, PacketStream, Stream

_log = logging.getLogger("xrev.dokodemo")


class DokodemoInbound(Inbound):
    """Destination: the settings' address and port; what is missing is this host and the port that was hit."""

    def __init__(self, settings: DokodemoSettings, context: InboundContext) -> None:
        self.networks = frozenset(settings.networks)
        self._settings = settings
        self._context = context
        self._fixed: dict[tuple[Network, int], Destination] = {}    # by network and local port; bounded by what is listened on

    def accept(self, stream: Stream, source: HostPort, local: HostPort) -> None:
        if self._settings.follow_redirect:
            self._follow(stream, source, local)
            return
        self._context.dispatcher.dispatch(self._request("tcp", source, local), stream)

    def accept_packets(self, packets: PacketStream, source: HostPort, local: HostPort) -> None:
        if not self._settings.follow_redirect:
            self._context.dispatcher.dispatch_packets(self._request("udp", source, local), packets)
            return
        request = self._following("udp", source, local, "")
        if request is None:
            packets.peer = NULL_PACKETS
            packets.close()
        else:
            self._context.dispatcher.dispatch_packets(request, packets)

    def _follow(self, stream: Stream, source: HostPort, local: HostPort) -> None:
        request = self._following("tcp", source, local, getattr(stream, "server_name", None) or "")
        if request is None:
            stream.peer = NULL_STREAM
            stream.abort(PeerError("it was not redirected, so where it was going is not known"))
        else:
            self._context.dispatcher.dispatch(request, stream)

    def _following(self, network: Network, source: HostPort, local: HostPort, server_name: str) -> Request | None:
        """Where the client was going is its local address. One at a port of ours came here by itself, and would come here
        again for ever: it goes where the settings say, if they do, else where TLS says; None: nobody knows where."""
        settings, context = self._settings, self._context
        host: str | IPAddress | None = parse_host(local[0])
        port = local[1]
        if local == UNIX_ADDRESS or any(first <= port <= last for first, last in context.ports):
            host = parse_host(settings.address or server_name) or None
            port = settings.port
        if host is None or not port:
            _log.info("%s: a client was not redirected, so where it was going is not known", context.tag or context.path)
            return None
        return Request(Destination(network, host, port), context.tag, source, local, "", settings.user_level)

    def _request(self, network: Network, source: HostPort, local: HostPort) -> Request:
        key = (network, local[1])
        destination = self._fixed.get(key)
        if destination is None:
            host, port = self._settings.target(local[1])
            destination = Destination(network, host if host is not None else _this_host(local), port)
            if host is not None:
                self._fixed[key] = destination
        return Request(destination, self._context.tag, source, local, "", self._settings.user_level)


def _this_host(local: HostPort) -> str | IPAddress:
    """The loopback address of the family that the client came by."""
    host = parse_host(local[0])
    if isinstance(host, str) or local == UNIX_ADDRESS:
        return "localhost"
    return ip_address("127.0.0.1" if host.version == 4 else "::1")
