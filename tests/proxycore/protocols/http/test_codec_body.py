"""Where bodies end."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.errors import LimitError, PeerError
from proxycore.protocols.http.codec_body import MAX_SIZE_LINE_BYTES, Body, ChunkedBody, EndlessBody, SizedBody

CHUNKED = b"5\r\nhello\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"


def consumed(body: Body, data: bytes, step: int) -> int:
    """How many bytes of `data`, given in pieces of `step`, the body takes."""
    taken = 0
    for start in range(0, len(data), step):
        piece = data[start:start + step]
        size = body.feed(piece)
        taken += size
        if body.is_done:
            break
        assert size == len(piece)
    return taken


@pytest.mark.parametrize("step", [1, 7, 4096], ids=["byte by byte", "odd cuts", "one read"])
@pytest.mark.parametrize(
    ("body", "wire"), [(ChunkedBody, CHUNKED), (lambda: SizedBody(9), b"123456789")], ids=["chunked", "sized"])
def test_a_body_ends_where_it_ends_however_it_is_cut(body: type[ChunkedBody], wire: bytes, step: int) -> None:
    one = body()
    assert consumed(one, wire + b"GET /next", step) == len(wire)
    assert one.is_done


def test_a_body_that_is_cut_is_not_done() -> None:
    for size in range(len(CHUNKED)):
        body = ChunkedBody()
        assert body.feed(CHUNKED[:size]) == size
        assert not body.is_done


def test_no_body_is_done_at_once_and_an_endless_one_never() -> None:
    assert SizedBody(0).is_done
    endless = EndlessBody()
    assert endless.feed(b"x" * 100) == 100
    assert not endless.is_done


@pytest.mark.parametrize(
    "wire", [b"\r\n", b"x\r\n", b"-1\r\n", b"+1\r\n", b"0x5\r\n", b"5\nhello", b"5\r\nhello\n\r", b"5\r\nhelloX",
             b"1" * 16 + b"\r\n"]
)
def test_a_broken_chunk_is_an_error(wire: bytes) -> None:
    with pytest.raises(PeerError):
        ChunkedBody().feed(wire)


@pytest.mark.parametrize("begin", [b"5;", b"0\r\nTrailer: "])
def test_lines_between_chunks_are_bounded(begin: bytes) -> None:
    body = ChunkedBody()
    body.feed(begin)
    with pytest.raises(LimitError):
        body.feed(b"x" * (MAX_SIZE_LINE_BYTES + 1))


def test_trailers_are_bounded() -> None:
    body = ChunkedBody()
    body.feed(b"0\r\n")
    with pytest.raises(LimitError):
        body.feed(b"Trailer: x\r\n" * 6000)


@given(st.binary(max_size=100), st.integers(1, 20))
def test_garbage_is_counted_or_refused(data: bytes, step: int) -> None:
    body, taken = ChunkedBody(), 0
    with contextlib.suppress(PeerError):
        taken = consumed(body, data, step)
    assert taken <= len(data)
