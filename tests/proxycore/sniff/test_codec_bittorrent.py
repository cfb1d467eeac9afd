"""BitTorrent's handshake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.fuzz
@given(data=st.one_of(st.binary(max_size=40), st.integers(0, 20).map(lambda size: HANDSHAKE[:size])), more=st.binary(max_size=20))
def test_a_verdict_is_never_taken_back(data: bytes, more: bytes) -> None:
    first = sniff_bittorrent(data)
    assert first is MORE or sniff_bittorrent(data + more) == first
