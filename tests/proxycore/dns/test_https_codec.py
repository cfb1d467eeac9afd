"""HTTP answers that carry DNS messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.dns.https_codec import HttpsReader, encode_post
from proxycore.errors import LimitError, PeerError

SIZED = b"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nContent-Length: 7\r\n\r\nmessage"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nmes\r\n4\r\nsage\r\n0\r\nTrailer: x\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SIZED


def test_a_question_is_posted() -> None:
    assert encode_post("dns.example", "/dns-query", b"\0\1") == (
        b"POST /dns-query HTTP/1.1\r\nHost: dns.example\r\nAccept: application/dns-message\r\n"
        b"Content-Type: application/dns-message\r\nContent-Length: 2\r\n\r\n\0\1"
    )


@pytest.mark.parametrize("answer", [SIZED, CHUNKED, INTERIM], ids=["sized", "chunked", "after an interim one"])
@pytest.mark.parametrize("step", [1, 5, 4096])
def test_answers_are_the_same_however_they_are_cut(answer: bytes, step: int) -> None:
    reader, found = HttpsReader(), []
    for _ in range(2):
        for begin in range(0, len(answer), step):
            message = reader.feed(answer[begin:begin + step])
            if message is not None:
                found.append(message)
    assert found == [b"message", b"message"]
    assert reader.may_go_on


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    reader = HttpsReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nmess") is None
    assert reader.feed(b"age") is None
    assert reader.end() == b"message"
    assert not reader.may_go_on


def test_an_answer_that_ends_early_is_none() -> None:
    reader = HttpsReader()
    assert reader.feed(SIZED[:-1]) is None
    assert reader.end() is None


@pytest.mark.parametrize("answer", [
    SIZED.replace(b"\r\nContent-L", b"\r\nConnection: close\r\nContent-L"), SIZED.replace(b"/1.1", b"/1.0"), SIZED + b"more",
], ids=["close", "HTTP/1.0", "more than was asked for"])
def test_after_some_answers_the_connection_is_not_used_again(answer: bytes) -> None:
    reader = HttpsReader()
    assert reader.feed(answer) == b"message"
    assert not reader.may_go_on


@pytest.mark.parametrize("answer", [
    SIZED.replace(b"200 OK", b"404 Not Found"),
    b"HTTP/2 200\r\n\r\n",
    b"hello\r\n\r\n",
    SIZED.replace(b": 7", b": x"),
    SIZED.replace(b": 7", b": -7"),
    CHUNKED.replace(b"3;x=1", b"zz"),
    CHUNKED.replace(b"mes\r\n", b"mesx\r"),
    CHUNKED.replace(b"3;x=1", b"1" * 300),
])
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(PeerError):
        HttpsReader().feed(answer)


@pytest.mark.parametrize("answer", [
    SIZED.replace(b": 7", b": 65536"),
    b"HTTP/1.1 200 OK\r\n\r\n" + bytes(65536),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"x" * 9000,
    CHUNKED.replace(b"Trailer: x\r\n", b"Trailer: x\r\n" * 40),
    b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
], ids=["length", "endless", "chunk", "head", "trailer", "interim answers"])
def test_an_answer_is_bounded(answer: bytes) -> None:
    with pytest.raises(LimitError):
        HttpsReader().feed(answer)


@given(st.lists(st.binary(max_size=60), max_size=5), st.sampled_from([SIZED, CHUNKED, INTERIM]), st.integers(0, 120))
def test_nonsense_is_refused_and_nothing_else(pieces: list[bytes], answer: bytes, at: int) -> None:
    reader = HttpsReader()
    try:
        for piece in (answer[:at], *pieces, answer[at:]):
            reader.feed(piece)
        reader.end()
    except PeerError:
        pass
