"""Datagrams that wait: for a name, for a look at what they say, for noise to be over.

Nobody can be told to wait with datagrams. So a flow keeps few, and all flows of the process together keep a bounded number of
bytes: whoever sends large ones from thousands of ports while a name server does not answer costs no more than that.
"""

from __future__ import annotations

from proxycore.destination import Destination
from proxycore.stream import Buffer

MAX_DATAGRAMS = 32
"""Of one flow; more are dropped."""

PROCESS_BYTES = 16 * 1024 * 1024
"""Of all flows; the same."""

_OVERHEAD_BYTES = 256           # what the smallest takes

_process_bytes = 0


class DatagramQueue:
    """Of one flow, each with its destination. Emptied before it is let go: what it holds is counted."""

    __slots__ = ("_bytes", "_waiting")

    def __init__(self) -> None:
        self._bytes = 0
        self._waiting: list[tuple[bytes, Destination | None]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first(self) -> tuple[bytes, Destination | None]:
        return self._waiting[0]

    @property
    def last(self) -> tuple[bytes, Destination | None]:
        return self._waiting[-1]

    def put(self, data: Buffer, address: Destination | None) -> bool:
        """Keep a copy; False: there is no room, it is dropped."""
        global _process_bytes
        size = len(data) + _OVERHEAD_BYTES
        if len(self._waiting) >= MAX_DATAGRAMS or _process_bytes + size > PROCESS_BYTES:
            return False
        _process_bytes += size
        self._bytes += size
        self._waiting.append((bytes(data), address))
        return True

    def take(self) -> list[tuple[bytes, Destination | None]]:
        """All of them, in order; none is left."""
        global _process_bytes
        _process_bytes -= self._bytes
        self._bytes = 0
        waiting, self._waiting = self._waiting, []
        return waiting
