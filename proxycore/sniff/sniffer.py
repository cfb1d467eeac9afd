"""All protocols of a network together: the first that recognises its own decides, or none can any more."""

from __future__ import annotations

from collections.abc import Callable

from proxycore.sniff.codec_bittorrent import sniff_bittorrent
from proxycore.sniff.codec_http import sniff_http
from proxycore.sniff.codec_quic import QuicSniffer
from proxycore.sniff.codec_tls import sniff_tls
from proxycore.sniff.verdict import MORE, NOT, Sniffed, Verdict
from proxycore.stream import Buffer

MAX_SNIFFED_BYTES = 32767
"""Of one connection, or of one flow of datagrams: what has not shown itself by then is routed as unknown."""

MAX_SNIFFED_PACKETS = 16
"""Datagrams of one flow; the same."""

_STREAM_SNIFFERS = (sniff_http, sniff_tls, sniff_bittorrent)


class StreamSniffer:
    """Looks at the beginning of a connection, and keeps it."""

    __slots__ = ("_candidates", "kept")

    def __init__(self) -> None:
        self.kept = bytearray()         # everything that was fed
        self._candidates: tuple[Callable[[bytes | bytearray], Verdict], ...] = _STREAM_SNIFFERS

    def feed(self, data: Buffer) -> Verdict:
        """The verdict on everything so far."""
        kept = self.kept
        kept += data
        seen = kept if len(kept) <= MAX_SNIFFED_BYTES else kept[:MAX_SNIFFED_BYTES]
        left = []
        for sniff in self._candidates:
            verdict = sniff(seen)
            if isinstance(verdict, Sniffed):
                return verdict
            if verdict is MORE:
                left.append(sniff)
        self._candidates = tuple(left)
        return MORE if left and len(kept) < MAX_SNIFFED_BYTES else NOT


class PacketSniffer:
    """The same for a flow of datagrams. It does not keep them."""

    __slots__ = ("_bytes", "_packets", "_quic")

    def __init__(self) -> None:
        self._quic = QuicSniffer()
        self._bytes = 0
        self._packets = 0

    def feed(self, datagram: Buffer) -> Verdict:
        self._bytes += len(datagram)
        self._packets += 1
        verdict = self._quic.feed(bytes(datagram))
        if verdict is MORE and (self._packets >= MAX_SNIFFED_PACKETS or self._bytes >= MAX_SNIFFED_BYTES):
            return NOT
        return verdict
