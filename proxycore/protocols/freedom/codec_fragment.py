"""Cutting what is sent into pieces: the first TLS record into several records, or writes as they come.

Source: Xray-core proxy/freedom/freedom.go, FragmentWriter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from proxycore.protocols.freedom.way_out_settings import FragmentSettings, Range

_RECORD_HEAD_BYTES = 5
_HANDSHAKE = 22         # content type of a TLS record

Pick = Callable[[int, int], int]
"""A random whole number from the first to the second, both inside."""


class Piece(NamedTuple):
    data: bytes
    delay_ms: int           # before the next one


class Fragmenter:
    """What becomes of each write of one connection."""

    __slots__ = ("_count", "_is_hello", "_pick", "_settings", "_writes")

    def __init__(self, settings: FragmentSettings, pick: Pick) -> None:
        self._settings = settings
        self._is_hello = settings.packets == "tlshello"
        self._writes = Range(1, 1) if self._is_hello else settings.writes
        self._pick = pick
        self._count = 0

    @property
    def is_done(self) -> bool:
        """Nothing that follows will be cut."""
        return self._writes is not None and self._count >= self._writes.high

    def cut(self, data: bytes) -> Iterator[Piece]:
        """The pieces of the next write. The write counts from the call on, whether or not its pieces are taken."""
        self._count += 1
        if self._writes is not None and not self._writes.low <= self._count <= self._writes.high:
            return iter((Piece(data, 0),))
        return self._hello(data) if self._is_hello else self._pieces(data)

    def _pieces(self, data: bytes) -> Iterator[Piece]:
        for begin, end in self._borders(len(data)):
            yield Piece(data[begin:end], self._pick(*self._settings.interval))

    def _hello(self, data: bytes) -> Iterator[Piece]:
        """One TLS record as several, all in one piece where there is no interval; then the rest as it is."""
        end = _RECORD_HEAD_BYTES + int.from_bytes(data[3:5], "big")
        if len(data) <= _RECORD_HEAD_BYTES or data[0] != _HANDSHAKE or end > len(data):
            yield Piece(data, 0)        # no TLS, or cut already
            return
        body = data[_RECORD_HEAD_BYTES:end]
        records = (
            data[:3] + (last - first).to_bytes(2, "big") + body[first:last] for first, last in self._borders(len(body)))
        if self._settings.interval.high:
            for record in records:
                yield Piece(record, self._pick(*self._settings.interval))
        else:
            yield Piece(b"".join(records), 0)
        if end < len(data):
            yield Piece(data[end:], 0)

    def _borders(self, size: int) -> Iterator[tuple[int, int]]:
        most = self._pick(*self._settings.max_split)
        begin = count = 0
        while begin < size:
            count += 1
            end = min(begin + self._pick(*self._settings.length), size)
            if most and count >= most:
                end = size
            yield begin, end
            begin = end
