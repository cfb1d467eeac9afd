"""The handshake of BitTorrent's peer protocol (BEP 3), which names no host.

The cores also look for uTP (BEP 29), by a comparison of times that never holds; that is left out.
"""

from __future__ import annotations

from proxycore.sniff.verdict import MORE, NOT, Sniffed, Verdict

_HANDSHAKE = b"\x13BitTorrent protocol"
_FOUND = Sniffed("bittorrent")


def sniff_bittorrent(data: bytes | bytearray) -> Verdict:
    """`data`: everything that the client has sent."""
    if data.startswith(_HANDSHAKE):
        return _FOUND
    return MORE if _HANDSHAKE.startswith(data) else NOT
