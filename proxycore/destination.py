"""Where a request goes, and the request itself: what the router decides on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal, NamedTuple, TypeAlias

Network: TypeAlias = Literal["tcp", "udp"]
IPAddress: TypeAlias = IPv4Address | IPv6Address
HostPort: TypeAlias = tuple[str, int]


class Destination(NamedTuple):
    """An address on a network. `host` is a domain as it was written, or an IP address (v4-mapped IPv6 is IPv4)."""

    network: Network
    host: str | IPAddress
    port: int

    @property
    def domain(self) -> str | None:
        return self.host if isinstance(self.host, str) else None

    def __str__(self) -> str:
        host = self.host if isinstance(self.host, str) else ip_text(self.host)
        if ":" in host:
            host = f"[{host}]"
        return f"{self.network}:{host}:{self.port}"


@lru_cache(maxsize=4096)
def ip_text(ip: IPAddress) -> str:
    """`str(ip)`, remembered: the few targets of a tunnel are written out again for every session."""
    return str(ip)


def parse_host(text: str) -> str | IPAddress:
    """Read a host as Xray does: blanks and the brackets of `[::1]` are dropped, an IP literal is an IP, the rest a domain."""
    text = text.strip()
    if text[:1] == "[" and text[-1:] == "]":
        text = text[1:-1]
    if text[:1].isdigit() or ":" in text:
        try:
            return unmapped(ip_address(text))
        except ValueError:
            return text
    return text


def unmapped(ip: IPAddress) -> IPAddress:
    """`ip`, or the IPv4 address that it wraps (::ffff:a.b.c.d)."""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


class Request(NamedTuple):
    """One thing to be carried: a connection, or a flow of datagrams. The router sees this and nothing else."""

    destination: Destination
    inbound_tag: str
    source: HostPort | None = None      # None: not known (a session that a bridge received)
    local: HostPort | None = None       # the address the client connected to
    user: str = ""                      # e-mail of the authenticated credential
    level: int = 0                      # policy level of that credential
    passes: int = 0                     # how often it went through a loopback outbound
    protocol: str = ""                  # seen in its first bytes (http1, tls, quic...); "": unknown, or not looked
    attributes: Mapping[str, str] | None = None     # of an HTTP request: `:method`, `:path`, fields in lower case
    route_domain: str = ""              # the domain that the rules see in place of the destination's (sniffed with `routeOnly`)
    vless_route: int | None = None      # bytes 6 and 7 of the VLESS id that the client sent
    resolved: tuple[IPAddress, ...] | None = None   # addresses of its domain, for `ip` rules; None: it was not looked up
    keeps_name: bool = False            # its domain is never resolved for routing (it comes from the DNS section)

    @property
    def name(self) -> str:
        """The domain that the rules see, or nothing."""
        if self.route_domain:
            return self.route_domain
        host = self.destination.host
        return host if isinstance(host, str) else ""
