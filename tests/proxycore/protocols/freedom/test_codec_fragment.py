"""Pieces: their sizes, their number, and that nothing is lost or changed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.protocols.freedom.codec_fragment import Fragmenter, Piece
from proxycore.protocols.freedom.way_out_settings import FragmentSettings

HELLO = b"\x16\x03\x01\x00\x0a" + b"0123456789"


def low(first: int, last: int) -> int:
    return first


def fragmenter(**settings: object) -> Fragmenter:
    return Fragmenter(FragmentSettings.model_validate({"interval": 0, **settings}), low)


def records(data: bytes) -> bytes:
    """The bodies of TLS handshake records, joined."""
    found = b""
    while data:
        assert data[:3] == b"\x16\x03\x01"
        size = int.from_bytes(data[3:5], "big")
        assert len(data) >= 5 + size
        found += data[5 : 5 + size]
        data = data[5 + size :]
    return found


def test_a_hello_becomes_several_records_in_one_piece() -> None:
    cutter = fragmenter(packets="tlshello", length="4-6")
    assert list(cutter.cut(HELLO + b"rest")) == [
        Piece(b"\x16\x03\x01\x00\x040123" b"\x16\x03\x01\x00\x044567" b"\x16\x03\x01\x00\x0289", 0), Piece(b"rest", 0)]
    assert cutter.is_done
    assert list(cutter.cut(HELLO)) == [Piece(HELLO, 0)]


def test_with_an_interval_each_record_is_a_piece_of_its_own() -> None:
    assert list(fragmenter(packets="tlshello", length=8, interval="10-20").cut(HELLO)) == [
        Piece(b"\x16\x03\x01\x00\x0801234567", 10), Piece(b"\x16\x03\x01\x00\x0289", 10)]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", HELLO[:-1], HELLO[:5], b"\x17" + HELLO[1:]])
def test_what_is_no_whole_hello_stays_as_it_is(data: bytes) -> None:
    cutter = fragmenter(packets="tlshello", length=1)
    assert list(cutter.cut(data)) == [Piece(data, 0)]
    assert cutter.is_done


def test_only_the_writes_that_are_meant_are_cut() -> None:
    cutter = fragmenter(packets="2-3", length=2, interval=5)
    assert [[piece.data for piece in cutter.cut(b"abcde")] for _ in range(4)] == [
        [b"abcde"], [b"ab", b"cd", b"e"], [b"ab", b"cd", b"e"], [b"abcde"]]
    assert cutter.is_done


def test_without_packets_every_write_is_cut() -> None:
    cutter = fragmenter(length=3)
    for _ in range(100):
        assert [piece.data for piece in cutter.cut(b"abcde")] == [b"abc", b"de"]
    assert not cutter.is_done


def test_the_last_of_so_many_pieces_takes_the_rest() -> None:
    assert [piece.data for piece in fragmenter(length=1, maxSplit=3).cut(b"abcdef")] == [b"a", b"b", b"cdef"]
    assert records(next(fragmenter(packets="tlshello", length=1, maxSplit=2).cut(HELLO)).data) == b"0123456789"


@given(st.binary(max_size=400), st.integers(1, 50), st.integers(0, 50), st.integers(0, 9), st.randoms())
def test_the_pieces_are_the_whole(data: bytes, size: int, more: int, splits: int, source: random.Random) -> None:
    settings = FragmentSettings.model_validate({"length": f"{size}-{size + more}", "interval": 0, "maxSplit": splits})
    pieces = [piece.data for piece in Fragmenter(settings, source.randint).cut(data)]
    assert b"".join(pieces) == data
    assert not splits or len(pieces) <= splits
    hello = b"\x16\x03\x01" + len(data).to_bytes(2, "big") + data
    settings = settings.model_copy(update={"packets": "tlshello"})
    sent = b"".join(piece.data for piece in Fragmenter(settings, source.randint).cut(hello))
    assert not data or records(sent) == data
