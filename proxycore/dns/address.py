"""How a document names a server: an address, or a URL that says how it is asked.

Source: Xray-core app/dns/nameserver.go, infra/conf/dns.go.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from proxycore.destination import IPAddress, parse_host
from proxycore.dns.codec import labels_of

Way: TypeAlias = Literal["udp", "tcp", "https", "localhost"]
DNS_PORT, HTTPS_PORT = 53, 443

_RUN: dict[str, tuple[Way, bool]] = {
    "tcp": ("tcp", False), "tcp+local": ("tcp", True), "https": ("https", False), "https+local": ("https", True),
}
_KNOWN = ("quic+local", "h2c", "h2c+local")


class ServerAddress(NamedTuple):
    """`is_local`: asked directly, not through the routing. `port` 0: none is given. `path`: of a URL, with its query."""

    way: Way
    is_local: bool
    host: str | IPAddress
    port: int = 0
    path: str = "/"
    text: str = ""          # as written

    @property
    def authority(self) -> str:
        """Host and port as in a URL."""
        host = f"[{self.host}]" if ":" in str(self.host) else str(self.host)
        return f"{host}:{self.port}" if self.port else host


def parse_server_address(text: object) -> ServerAddress:
    """Raises ValueError with one sentence."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError('text is expected: an IP address, "localhost", or a URL such as "https://1.1.1.1/dns-query"')
    text = text.strip()
    if text.lower() == "localhost":
        return ServerAddress("localhost", True, "localhost", text=text)
    if text.lower() == "fakedns":
        raise ValueError('"fakedns" is known to Xray, not run by this version')
    scheme, colon, _ = text.partition("://")
    if not colon:
        return ServerAddress("udp", False, _host(text), text=text)
    scheme = scheme.lower()
    if scheme in _KNOWN:
        raise ValueError(f'"{scheme}://" is known to Xray, not run by this version, which runs {", ".join(_RUN)} and plain UDP')
    if scheme not in _RUN:
        raise ValueError(f'"{scheme[:40]}://" is no way to ask a DNS server; there are {", ".join(_RUN)}, and plain addresses')
    way, is_local = _RUN[scheme]
    try:
        parts = urlsplit(text)
        port = parts.port or 0
    except ValueError as error:
        raise ValueError(f"this is no URL: {error}") from None
    if parts.username is not None or parts.fragment:
        raise ValueError("a user or a # has no place in this URL")
    if way == "tcp" and parts.path not in ("", "/"):
        raise ValueError("a path has no place in this URL")
    path = parts.path or "/"
    if any(not "!" <= character <= "~" for character in path + parts.query):
        raise ValueError("the path has characters that must be written with % in a URL")
    return ServerAddress(way, is_local, _host(parts.hostname or ""), port, f"{path}?{parts.query}" if parts.query else path, text)


def _host(text: str) -> str | IPAddress:
    host = parse_host(text)
    if not isinstance(host, str):
        return host
    name, colon, port = host.rpartition(":")
    if colon and name and port.isdigit():
        raise ValueError('the port is a field of its own here: {"address": ..., "port": ...}')
    labels_of(host)
    return host
