"""How the addresses of one name are tried: in what order, how soon the next one, and how many at once (RFC 8305).

Source of the order: Xray-core transport/internet/happy_eyeballs.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxycore.destination import IPAddress

RACE_DELAY_S = 0.25
"""The next address is tried beside one that has not answered by then (RFC 8305, Connection Attempt Delay)."""


@dataclass(frozen=True, slots=True)
class Racing:
    """`most`: attempts at once. `interleave`: so many of one family, then as many of the other; 0 all of it."""

    delay_s: float
    most: int
    interleave: int = 1
    prioritizes_ipv6: bool = False

    def order(self, addresses: Sequence[IPAddress]) -> Sequence[IPAddress]:
        version = 6 if self.prioritizes_ipv6 else 4
        turn = [ip for ip in addresses if ip.version == version]
        other = [ip for ip in addresses if ip.version != version]
        step = self.interleave or len(addresses)
        ordered: list[IPAddress] = []
        while turn and other:
            ordered += turn[:step]
            turn, other = other, turn[step:]
        return [*ordered, *turn, *other]
