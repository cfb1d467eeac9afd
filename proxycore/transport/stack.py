"""The layers of one `streamSettings`, put together. Without any, nothing stands between socket and protocol.

A layer is imported by the first entry that has it: a start is not to wait for what the document does not name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random

from proxycore.destination import Destination
from proxycore.document.stream_settings import StreamSettings
from proxycore.errors import LinkDown, PeerError
from proxycore.net.failure_log import FailureLog
from proxycore.net.resolve import Resolve, Strategy
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import Dial, OpenUdp
from proxycore.stream import NullStream, PacketStream, Stream
from proxycore.transport.base import ClientLayer, ServerLayer, Then
from proxycore.transport.face import LowerFace

_HTTP_ALPN = ("http/1.1",)


def server_layers(settings: StreamSettings, path: str, wheel: Wheel) -> list[ServerLayer]:
    """From the socket up. `path` is that of the inbound. Raises: ConfigError."""
    layers: list[ServerLayer] = []
    if settings.accepts_proxy_protocol:
        from proxycore.transport.proxy_protocol import ProxyProtocolServer

        layers.append(ProxyProtocolServer(wheel))
    if settings.security == "tls":
        from proxycore.transport.tls import TlsServer

        layers.append(TlsServer(settings.tls_settings, f"{path}.streamSettings.tlsSettings", wheel))
    trusted = settings.sockopt.trusted_x_forwarded_for
    if settings.network == "ws":
        from proxycore.transport.websocket import WebSocketServer

        layers.append(WebSocketServer(settings.ws_settings, wheel, trusted))
    elif settings.network == "httpupgrade":
        from proxycore.transport.httpupgrade import HttpUpgradeServer

        layers.append(HttpUpgradeServer(settings.httpupgrade_settings, wheel, trusted))
    elif settings.raw_settings.header.type == "http":
        from proxycore.transport.raw_http_header import RawHeaderServer

        layers.append(RawHeaderServer(settings.raw_settings.header, wheel, Random()))
    return layers


def client_layers(settings: StreamSettings, path: str, wheel: Wheel) -> list[ClientLayer]:
    """From the socket up. `path` is that of the outbound. Raises: ConfigError."""
    layers: list[ClientLayer] = []
    server_name = ""
    if settings.security == "tls":
        from proxycore.transport.tls import DEFAULT_ALPN, TlsClient

        server_name = settings.tls_settings.server_name
        alpn = DEFAULT_ALPN if settings.network == "raw" else _HTTP_ALPN
        layers.append(TlsClient(settings.tls_settings, f"{path}.streamSettings.tlsSettings", wheel, alpn))
    if settings.network == "ws":
        from proxycore.transport.websocket import WebSocketClient

        layers.append(WebSocketClient(settings.ws_settings, wheel, server_name))
    elif settings.network == "httpupgrade":
        from proxycore.transport.httpupgrade import HttpUpgradeClient

        layers.append(HttpUpgradeClient(settings.httpupgrade_settings, wheel, server_name))
    elif settings.raw_settings.header.type == "http":
        from proxycore.transport.raw_http_header import RawHeaderClient

        layers.append(RawHeaderClient(settings.raw_settings.header, wheel, Random()))
    return layers


def through_server(layers: Sequence[ServerLayer], then: Then, failures: FailureLog) -> Then:
    """What takes over accepted sockets so that `then` gets the stream above all `layers`. `failures`: of their handshakes."""
    for layer in reversed(layers):
        then = partial(_accept, layer, then, failures)
    return then


def _accept(
    layer: ServerLayer, then: Then, failures: FailureLog, lower: Stream, source: tuple[str, int], local: tuple[str, int]
) -> None:
    layer.accept(lower, source, local, then)
    face = lower.peer
    if isinstance(face, LowerFace) and face.is_unready:
        face.upper.peer = _Unready(failures, source)


class _Unready(NullStream):
    """Above a layer until that is ready."""

    __slots__ = ("_failures", "_source")

    def __init__(self, failures: FailureLog, source: tuple[str, int]) -> None:
        self._failures = failures
        self._source = source

    def abort(self, error: Exception | None) -> None:
        if isinstance(error, LinkDown):
            self._failures.report(self._source, TimeoutError(str(error)))
        elif isinstance(error, PeerError):
            self._failures.report(self._source, error)


def through_client(layers: Sequence[ClientLayer], dial: Dial, default: Strategy = Strategy.AS_IS) -> Dial:
    """A dial whose streams have gone through all `layers`. `default` is the strategy where the caller has none."""
    if not layers and default is Strategy.AS_IS:
        return dial

    def dial_through(
        destination: Destination, strategy: Strategy = Strategy.AS_IS, *, resolve: Resolve | None = None
    ) -> Stream:
        stream = dial(destination, default if strategy is Strategy.AS_IS else strategy, resolve=resolve)
        for layer in layers:
            stream = layer.wrap(stream, destination)
        return stream

    return dial_through


def with_default(open_udp: OpenUdp, usual: Strategy) -> OpenUdp:
    """The same of datagrams: `usual` is the strategy where the caller has none."""
    if usual is Strategy.AS_IS:
        return open_udp

    def open_with_default(
        default: Destination, strategy: Strategy = Strategy.AS_IS, *, hides_source: bool = False, resolve: Resolve | None = None
    ) -> PacketStream:
        chosen = usual if strategy is Strategy.AS_IS else strategy
        return open_udp(default, chosen, hides_source=hides_source, resolve=resolve)

    return open_with_default
