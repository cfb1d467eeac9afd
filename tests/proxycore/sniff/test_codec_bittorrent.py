"""BitTorrent's handshake."""

from __future__ import annotations

from proxycore.sniff.codec_bittorrent import sniff_bittorrent
from proxycore.sniff.verdict import MORE, NOT, Sniffed

HANDSHAKE = b"\x13BitTorrent protocol" + bytes(8) + b"h" * 20


def test_the_handshake_has_a_protocol_and_no_name() -> None:
    assert sniff_bittorrent(HANDSHAKE) == Sniffed("bittorrent", "", None)


def test_every_beginning_asks_for_more() -> None:
    assert [sniff_bittorrent(HANDSHAKE[:size]) for size in range(20)] == [MORE] * 20


def test_anything_else_is_known_at_the_first_byte_that_differs() -> None:
    assert sniff_bittorrent(b"\x12") is NOT
    assert sniff_bittorrent(b"\x13BitTorrent Protocol") is NOT
