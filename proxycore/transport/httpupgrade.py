"""HTTPUpgrade as a layer of inbounds and outbounds: a handshake that looks like WebSocket's, then the bytes as they are.

Source: Xray-core transport/internet/httpupgrade/.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxycore.destination import Destination, HostPort
from proxycore.errors import PeerError
from proxycore.net.wheel import Wheel
from proxycore.stream import Buffer, Stream
from proxycore.transport.base import Then
from proxycore.transport.face import UpperFace
from proxycore.transport.http_head_codec import Head, HeadReader, encode_head, forwarded_source, host_matches, parse_head
from proxycore.transport.http_settings import HttpUpgradeSettings
from proxycore.transport.websocket import CLIENT_HANDSHAKE_S, SERVER_HANDSHAKE_S, host_of

_UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket")]


def _is_upgrade(head: Head) -> bool:
    """As whole values, in any letter case: `keep-alive, Upgrade` is none in the cores either."""
    return (head.get("connection") or "").lower() == "upgrade" and (head.get("upgrade") or "").lower() == "websocket"


class UpgradeFace(UpperFace):
    """Both sides: one head comes, then everything passes."""

    __slots__ = ("_reader",)

    handshake = "HTTP upgrade"

    def __init__(self, lower: Stream, wheel: Wheel, timeout_s: float) -> None:
        self._reader = HeadReader()
        super().__init__(lower, wheel, timeout_s)

    def _on_head(self, head: Head) -> None:
        raise NotImplementedError

    def _on_data(self, data: Buffer) -> None:
        if self.is_ready:
            self.peer.write(data)
            return
        try:
            head = self._reader.feed(data)
            if head is None:
                return
            self._on_head(parse_head(head))
        except PeerError as error:
            self.fail(error)
            return
        if self._reader.rest and self.is_ready and not self.is_over:
            rest, self._reader.rest = self._reader.rest, b""
            self.peer.write(rest)       # what Xray's server would throw away


class HttpUpgradeServer:
    """The HTTPUpgrade layer of one inbound."""

    def __init__(self, settings: HttpUpgradeSettings, wheel: Wheel, trusted: Sequence[str] = ()) -> None:
        """`trusted`: headers that, where present, make X-Forwarded-For count."""
        self.settings = settings
        self.trusted = trusted
        self._wheel = wheel

    def accept(self, lower: Stream, source: HostPort, local: HostPort, then: Then) -> None:
        _ServerFace(self, lower, self._wheel, source, local, then)


class _ServerFace(UpgradeFace):
    __slots__ = ("_local", "_server", "_source", "_then")

    def __init__(
        self, server: HttpUpgradeServer, lower: Stream, wheel: Wheel, source: HostPort, local: HostPort, then: Then
    ) -> None:
        self._server = server
        self._source = source
        self._local = local
        self._then = then
        super().__init__(lower, wheel, SERVER_HANDSHAKE_S)

    def _on_head(self, head: Head) -> None:
        settings = self._server.settings
        if head.path != settings.plain_path or not host_matches(head, settings.host) or not _is_upgrade(head):
            raise PeerError("HTTP upgrade: another path or host was asked for, or no upgrade")
        self._lower.write(encode_head("HTTP/1.1 101 Switching Protocols", _UPGRADE))
        if self.is_over:
            return
        forwarded = forwarded_source(head, self._server.trusted)
        self._ready()
        self._then(self, (forwarded, 0) if forwarded else self._source, self._local)


class HttpUpgradeClient:
    """The HTTPUpgrade layer of one outbound. `?ed=` has no effect: a server may lose what comes before its answer."""

    def __init__(self, settings: HttpUpgradeSettings, wheel: Wheel, server_name: str = "") -> None:
        """`server_name`: that of TLS below, for the Host header if the settings name none."""
        self._settings = settings
        self._wheel = wheel
        self._server_name = server_name

    def wrap(self, lower: Stream, destination: Destination) -> Stream:
        face = _ClientFace(lower, self._wheel, CLIENT_HANDSHAKE_S)
        host = self._settings.host or self._server_name or host_of(destination)
        lower.write(encode_head(
            f"GET {self._settings.target} HTTP/1.1", [("Host", host), *self._settings.extra_headers, *_UPGRADE]))
        return face


class _ClientFace(UpgradeFace):
    __slots__ = ()

    def _on_head(self, head: Head) -> None:
        if head.first[1:] != ("101", "Switching Protocols") or not _is_upgrade(head):
            raise PeerError("HTTP upgrade: the server did not agree")
        self._ready()
