"""Datagrams of VLESS: u16 length | datagram, repeated, both ways. No I/O. Source: Xray-core proxy/vless/encoding/addons.go."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from proxycore.stream import Buffer

MAX_SENT_BYTES = 8190
"""What Xray sends at most. It and V2Ray hand a longer datagram on in pieces, which is worse than losing it."""

MAX_RECEIVED_BYTES = 65535
_LENGTH = Struct(">H")


def encode_datagram(data: Buffer) -> bytes:
    """`data` is 1 to MAX_SENT_BYTES bytes."""
    return _LENGTH.pack(len(data)) + bytes(data)


class DatagramDecoder:
    """Cuts a stream into datagrams. It keeps one that is not complete, so no more than MAX_RECEIVED_BYTES and its length."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept = bytearray()

    @property
    def is_at_border(self) -> bool:
        return not self._kept

    def feed(self, data: Buffer, deliver: Callable[[memoryview], None]) -> None:
        """Call `deliver` with each datagram that is complete now, valid during the call only. Empty ones are skipped."""
        view = memoryview(data)
        kept = self._kept
        if kept:
            if len(kept) == 1:
                kept += view[:1]
                view = view[1:]
                if len(kept) == 1:
                    return
            missing = 2 + (kept[0] << 8 | kept[1]) - len(kept)
            kept += view[:missing]
            if len(view) < missing:
                return
            view = view[missing:]
            self._kept = bytearray()
            if len(kept) > 2:
                deliver(memoryview(kept)[2:])
        at, size = 0, len(view)
        while size - at >= 2:
            end = at + 2 + (view[at] << 8 | view[at + 1])
            if end > size:
                break
            if end > at + 2:
                deliver(view[at + 2 : end])
            at = end
        if at < size:
            self._kept += view[at:]
