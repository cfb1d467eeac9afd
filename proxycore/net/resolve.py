"""Names to addresses, off the loop: the system's resolver in uvloop's thread pool."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from ipaddress import IPv4Address, ip_address
from typing import TypeAlias

from proxycore import tasks
from proxycore.destination import IPAddress, unmapped
from proxycore.errors import DialError


class Strategy(StrEnum):
    """`domainStrategy` of an outbound. Use*: these families if there are any; Force*: these or fail."""

    AS_IS = "asis"
    USE_IP = "useip"
    USE_IPV4 = "useipv4"
    USE_IPV6 = "useipv6"
    USE_IPV4V6 = "useipv4v6"
    USE_IPV6V4 = "useipv6v4"
    FORCE_IP = "forceip"
    FORCE_IPV4 = "forceipv4"
    FORCE_IPV6 = "forceipv6"
    FORCE_IPV4V6 = "forceipv4v6"
    FORCE_IPV6V4 = "forceipv6v4"


Resolve: TypeAlias = Callable[[str, Strategy], Awaitable[Sequence[IPAddress]]]
"""Names to addresses, as `resolve` does it: in the order in which to try them, at least one, else DialError.

AS_IS always asks the system. With the others a `dns` section of the document is asked, if there is one: Use* fall back
to the system where it has no answer, Force* fail. Who only wants to know the addresses (routing) takes FORCE_IP.
"""

_Found: TypeAlias = tuple[list[IPAddress], "type[DialError] | None", str]
"""Addresses; or none, and what to raise with which reason."""

MAX_ADDRESSES = 16
"""Addresses of one name that are tried."""

MAX_LOOKUPS = 256
"""Names looked up at once; one more fails at once, rather than queue behind a resolver that does not answer."""

_NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_under_way: dict[tuple[int, str], asyncio.Task[_Found]] = {}       # by loop and name: who asks for the same, waits for the same


class NoAddress(DialError):
    """The lookup was answered: there is no such name, or it has no address."""


async def _ask_system(host: str) -> _Found:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        fault = NoAddress if getattr(error, "errno", None) in _NO_SUCH_NAME else DialError
        return [], fault, f"name lookup failed: {getattr(error, 'strerror', None) or error}"
    return list(dict.fromkeys(unmapped(ip_address(str(entry[4][0]).partition("%")[0])) for entry in found)), None, ""


async def resolve(host: str, strategy: Strategy = Strategy.AS_IS) -> Sequence[IPAddress]:
    """Addresses of `host`, in the order in which to try them: families alternate (RFC 8305), IPv6 first unless asked.

    Raises: DialError, no address (of the forced family), or too many lookups under way.
    """
    key = id(asyncio.get_running_loop()), host
    lookup = _under_way.get(key)
    if lookup is None:
        if len(_under_way) >= MAX_LOOKUPS:
            raise DialError(host, "too many name lookups are under way")
        lookup = _under_way[key] = tasks.spawn(f"look up {host}", _ask_system(host))
        lookup.add_done_callback(lambda _: _under_way.pop(key, None))
    addresses, fault, reason = await asyncio.shield(lookup)
    if fault is not None:
        raise fault(host, reason)
    chosen = by_strategy(addresses, strategy)
    if not chosen:
        raise NoAddress(host, f"the name has no address that {strategy} allows")
    return chosen[:MAX_ADDRESSES]


def by_strategy(addresses: Sequence[IPAddress], strategy: Strategy) -> list[IPAddress]:
    """Those of `addresses` that `strategy` allows, in the order in which to try them."""
    v4: list[IPAddress] = [ip for ip in addresses if isinstance(ip, IPv4Address)]
    v6: list[IPAddress] = [ip for ip in addresses if not isinstance(ip, IPv4Address)]
    families = strategy.removeprefix("use").removeprefix("force")
    if families == "ipv4":
        return v4 or ([] if strategy.startswith("force") else v6)
    if families == "ipv6":
        return v6 or ([] if strategy.startswith("force") else v4)
    first, second = (v4, v6) if families == "ipv4v6" else (v6, v4)
    mixed: list[IPAddress] = []
    for pair in range(max(len(first), len(second))):
        mixed += first[pair : pair + 1] + second[pair : pair + 1]
    return mixed
