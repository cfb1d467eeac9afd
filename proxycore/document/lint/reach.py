"""Which addresses everybody can reach, and which only this host or its own network."""

from __future__ import annotations

import re
from ipaddress import ip_address

# Xray's list of names that are not public (common/geodata/consts.go): these, what is below them, and single labels.
_PRIVATE_DOMAINS = (
    "lan",
    "localdomain",
    "example",
    "invalid",
    "localhost",
    "test",
    "local",
    "home.arpa",
    "internal",
)
_SINGLE_LABEL = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")


def is_public_host(host: str) -> bool:
    """Whether traffic to `host`, an address or a name, crosses networks of others."""
    host = host.strip().removeprefix("[").removesuffix("]").lower()
    try:
        address = ip_address(host)
    except ValueError:
        if not host or host.startswith(("env:", "/", "@")) or _SINGLE_LABEL.match(host):
            return False
        return not any(host == name or host.endswith("." + name) for name in _PRIVATE_DOMAINS)
    return address.is_global


def is_public_listen(listen: str) -> bool:
    """Whether others than this host and its own network may connect; an empty `listen` means all addresses."""
    listen = listen.strip().removeprefix("[").removesuffix("]").lower()
    if not listen:
        return True
    try:
        address = ip_address(listen)
    except ValueError:
        return False  # localhost, or a unix socket
    return address.is_unspecified or address.is_global
