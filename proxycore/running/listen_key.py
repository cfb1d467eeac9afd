"""What tells one listening socket from another."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal, NamedTuple

from proxycore.destination import Network


class ListenKey(NamedTuple):
    """What a listening socket is made with. `address` "" is all of them; `options`: those set before it listens.

    Of a unix socket only `address`, its name, says anything.
    """

    address: str
    port: int
    network: Network | Literal["unix"]
    options: Hashable = None

    def __str__(self) -> str:
        return self.address if self.network == "unix" else f"{self.address or '*'}:{self.port}/{self.network}"

    def is_in_the_way_of(self, other: ListenKey) -> bool:
        """Whether perhaps both cannot be bound at a time."""
        return self.network != "unix" and (self.port, self.network) == (other.port, other.network)
