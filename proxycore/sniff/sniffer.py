"""All protocols of a network together: the first that recognises its own decides, or none can any more."""

from __future__ import annotations

from collections.abc import Callable

from proxycore.sniff.codec_bittorrent import sniff_bittorrent
from proxycore.sniff.codec_http import sniff_http
from proxycore.sniff.codec_quic import QuicSniffer
from proxycore.sniff.codec_tls import sniff_tls
from proxycore.sniff.verdict import MORE, NOT, Sniffed, Verdict

MAX_SNIFFED_BYTES = 32767
"""Of one connection, or of one flow of datagrams: what has not shown itself by then is routed as unknown."""

MAX_SNIFFED_PACKETS = 16
"""Datagrams of one flow; the same."""

_STREAM_SNIFFERS = (sniff_http, sniff_tls, sniff_bittorrent)


class StreamSniffer:
    """Looks at the beginning of a connection again and again, as it grows."""

    __slots__ = ("_candidates",)

    def __init__(self) -> None:
        self._candidates: tuple[Callable[[bytes | bytearray], Verdict], ...] = _STREAM_SNIFFERS

    def look(self, received: bytearray) -> Verdict:
        """The verdict on everything that was received so far. It is not MORE at or above MAX_SNIFFED_BYTES."""
        seen = received if len(received) <= MAX_SNIFFED_BYTES else received[:MAX_SNIFFED_BYTES]
        left = []
        for sniff in self._candidates:
            verdict = sniff(seen)
            if isinstance(verdict, Sniffed):
                return verdict
            if verdict is MORE:
                left.append(sniff)
        self._candidates = tuple(left)
        return MORE if left and len(received) < MAX_SNIFFED_BYTES else NOT


class PacketSniffer:
    """The same for a flow of datagrams, one after the other."""

    __slots__ = ("_bytes", "_packets", "_quic")

    def __init__(self) -> None:
        self._quic = QuicSniffer()
        self._bytes = 0
        self._packets = 0

    def feed(self, datagram: bytes) -> Verdict:
        """The verdict after one more datagram."""
        self._bytes += len(datagram)
        self._packets += 1
        verdict = self._quic.feed(datagram)
        if verdict is MORE and (self._packets >= MAX_SNIFFED_PACKETS or self._bytes >= MAX_SNIFFED_BYTES):
            return NOT
        return verdict
