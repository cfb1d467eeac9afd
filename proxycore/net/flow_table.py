"""The flows of one listening socket for datagrams, and whose flow ends for a newcomer's where there is no room.

A datagram is cheap, and a flow lives for a minute by it: 300 a second from one host would else keep everybody else out.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from typing import TypeAlias, TypeVar

MAX_FLOWS = 16384
"""Flows of one listening socket."""

LOOKED_AT = 8
"""Old flows that are looked at for one newcomer."""

_V6_NETWORK_BYTES = 8           # whoever has an IPv6 address has a network of them

Address: TypeAlias = tuple[str, int]
_Flow = TypeVar("_Flow")


class FlowTable(OrderedDict[Address, _Flow]):
    """Flows by their client's address, those that were looked at longest ago first. Changed by its own methods only."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str | bytes, int] = {}       # of flows, by source

    @property
    def is_full(self) -> bool:
        return len(self) >= MAX_FLOWS

    def add(self, address: Address, flow: _Flow) -> None:
        """`address` has none yet."""
        self[address] = flow
        source = source_of(address)
        self._counts[source] = self._counts.get(source, 0) + 1

    def remove(self, address: Address, flow: _Flow) -> None:
        """Unless `address` has a newer one."""
        if self.get(address) is flow:
            del self[address]
            source = source_of(address)
            left = self._counts[source] - 1
            if left:
                self._counts[source] = left
            else:
                del self._counts[source]

    def to_end_for(self, address: Address) -> _Flow | None:
        """An old flow of a source that has more of them than that of `address` would have; None: none was found."""
        counts = self._counts
        fair = counts.get(source_of(address), 0) + 1
        for _ in range(min(LOOKED_AT, len(self))):
            oldest = next(iter(self))
            if counts[source_of(oldest)] > fair:
                return self[oldest]
            self.move_to_end(oldest)        # others are looked at the next time
        return None


def source_of(address: Address) -> str | bytes:
    """Whom a client's address belongs to, as far as it tells."""
    host = address[0]
    if ":" not in host or host.startswith("::ffff:"):
        return host
    return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:_V6_NETWORK_BYTES]
