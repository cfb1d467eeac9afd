"""Which IP versions this host can reach the world with."""

from __future__ import annotations

import socket

from proxycore.dns.answer import Families

_PROBES = ((socket.AF_INET, "192.33.4.12"), (socket.AF_INET6, "2001:500:2::c"))     # of a root server, as in Xray
_PROBE_PORT = 53


def reachable_families() -> Families:
    """Asked of the routing table: nothing is sent."""
    return Families(*(_has_route(family, address) for family, address in _PROBES))


def _has_route(family: socket.AddressFamily, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, _PROBE_PORT))
    except OSError:
        return False
    return True
