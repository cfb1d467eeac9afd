"""Datagrams with their lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.protocols.vless.packet_codec import DatagramDecoder, encode_datagram

STREAM = b"\x00\x02hi" + b"\x00\x00" + b"\x01\x00" + b"x" * 256 + b"\x00\x01!"
DATAGRAMS = [b"hi", b"x" * 256, b"!"]


def cut(stream: bytes, step: int) -> tuple[DatagramDecoder, list[bytes]]:
    decoder, found = DatagramDecoder(), []
    for start in range(0, len(stream), step):
        decoder.feed(memoryview(stream[start : start + step]), lambda data: found.append(bytes(data)))
    return decoder, found


def test_a_datagram_follows_its_length() -> None:
    assert encode_datagram(b"hi") == b"\x00\x02hi"
    assert encode_datagram(memoryview(b"x" * 256)) == b"\x01\x00" + b"x" * 256


@pytest.mark.parametrize("step", [1, 2, 3, 7, 4096])
def test_datagrams_are_the_same_however_the_stream_is_cut_and_empty_ones_are_skipped(step: int) -> None:
    decoder, found = cut(STREAM, step)
    assert found == DATAGRAMS
    assert decoder.is_at_border


def test_the_largest_datagram_is_read() -> None:
    decoder, found = cut(b"\xff\xff" + bytes(65535), 1000)
    assert found == [bytes(65535)]
    assert decoder.is_at_border


def test_one_that_is_not_complete_waits() -> None:
    decoder, found = cut(b"\x00\x03ab", 1)
    assert found == []
    assert not decoder.is_at_border
    decoder.feed(b"c", lambda data: found.append(bytes(data)))
    assert found == [b"abc"]


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20), st.integers(1, 100))
def test_what_is_written_is_read(datagrams: list[bytes], step: int) -> None:
    assert cut(b"".join(map(encode_datagram, datagrams)), step)[1] == datagrams
