"""Shorthand for tests of routing."""

from __future__ import annotations

from proxycore.destination import Destination, HostPort, Request, parse_host


def request(
    host: str = "example.com",
    port: int = 443,
    *,
    tag: str = "in",
    network: str = "tcp",
    user: str = "",
    source: HostPort | None = None,
    local: HostPort | None = None,
) -> Request:
    return Request(Destination("udp" if network == "udp" else "tcp", parse_host(host), port), tag, source, local, user)
