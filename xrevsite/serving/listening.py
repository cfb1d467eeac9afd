"""Where the web server listens. The sockets are the supervisor's: while it starts again, who connects waits, not refused."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

DEFAULT_LISTEN: Final = "127.0.0.1:8000"
BACKLOG: Final = 512
MAX_NOT_SENT_BYTES: Final = 128 * 1024
"""What the kernel takes of an answer ahead of what it can send: it would take megabytes for each client that does not read."""


class BadListen(Exception):
    """What was asked for cannot be listened on; the text is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Tls:
    certificate: Path       # PEM, with the chain
    key: Path


@dataclass(frozen=True, slots=True)
class Place:
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        return ip_address(self.host).is_loopback

    @property
    def is_any(self) -> bool:
        return ip_address(self.host).is_unspecified

    def url(self, scheme: str) -> str:
        """As this host itself reaches it."""
        host = self.host
        if self.is_any:
            host = "::1" if ":" in host else "127.0.0.1"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


def read_place(text: str) -> Place:
    """ "127.0.0.1:8000", "[::1]:8000". Raises: BadListen."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    try:
        ip_address(host)
        number = int(port)
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise BadListen(f"--listen {text}: an address and a port are expected, {DEFAULT_LISTEN} or [::1]:8000, say")
    return Place(host, number)


def read_tls(certificate: str, key: str) -> Tls | None:
    """The two files, tried; None where neither is named. Raises: BadListen."""
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise BadListen("XREV_TLS_CERT and XREV_TLS_KEY belong together: one of them is missing")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else str(error)
        raise BadListen(f"The certificate {certificate} with the key {key} cannot be used: {reason}") from None
    return Tls(Path(certificate), Path(key))


def check_exposure(place: Place, *, is_encrypted: bool, is_insisted: bool) -> None:
    """Raises: BadListen where passwords would cross the network unencrypted and nobody said that this is meant."""
    if not (place.is_loopback or is_encrypted or is_insisted):
        raise BadListen(
            f"{place.host} can be reached from the network, and passwords would cross it unencrypted. Name a certificate with "
            "XREV_TLS_CERT and XREV_TLS_KEY, or put a web server with TLS in front and set HTTPS=1 and XREV_PROXIES=1, or insist "
            "with --plain-http-on-the-network.")


def listen(place: Place) -> socket.socket:
    """Raises: BadListen, the port is taken, say."""
    sock = socket.socket(socket.AF_INET6 if ":" in place.host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_NOT_SENT_BYTES)      # of its connections
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((place.host, place.port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise BadListen(f"{place.host} port {place.port} cannot be listened on: {error.strerror}") from None
    return sock
