"""The request of a probe, and the answers to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.errors import LimitError, PeerError
from proxycore.observatory.exchange_codec import MAX_BODY_BYTES, AnswerReader, encode_request
from proxycore.observatory.probe_url import parse_probe_url

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


def test_a_request_asks_for_the_path_and_for_a_close() -> None:
    assert encode_request(parse_probe_url("https://a.example:8443/x/y?z=1#f"), "HEAD") == (
        b"HEAD /x/y?z=1 HTTP/1.1\r\nHost: a.example:8443\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\n\r\n")
    assert encode_request(parse_probe_url("http://[::1]"), "POST") == (
        b"POST / HTTP/1.1\r\nHost: [::1]\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\n"
        b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "status"), [(CHUNKED, 200), (SIZED, 200), (EARLY, 404), (EMPTY, 204)],
    ids=["chunked", "sized", "early hints", "empty"],
)
def test_an_answer_is_complete_at_its_last_byte_however_it_is_cut(answer: bytes, status: int) -> None:
    reader = AnswerReader("GET", reads_body=True)
    assert [reader.feed(answer[at : at + 1]) for at in range(len(answer))] == [False] * (len(answer) - 1) + [True]
    assert reader.status == status
    for cut in range(1, len(answer)):
        reader = AnswerReader("GET", reads_body=True)
        assert not reader.feed(answer[:cut])
        assert not reader.feed_end()
        assert reader.feed(answer[cut:])


def test_without_the_body_the_head_is_enough() -> None:
    assert AnswerReader("GET", reads_body=False).feed(SIZED[:-3])
    assert AnswerReader("HEAD", reads_body=True).feed(SIZED[:-3])


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    reader = AnswerReader("GET", reads_body=True)
    assert not reader.feed(b"HTTP/1.0 200 OK\r\n\r\nabc")
    assert reader.feed_end()


def test_a_long_body_is_not_read_to_its_end() -> None:
    reader = AnswerReader("GET", reads_body=True)
    assert not reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    assert not reader.feed(bytes(MAX_BODY_BYTES - 1))
    assert reader.feed(b"x")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 99 X\r\n\r\n", b"HTTP/1.1 2000 X\r\n\r\n",
        b"HTTP/1.1 abc X\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 6,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(PeerError):
        AnswerReader("GET", reads_body=True).feed(answer)


def test_a_head_without_end_is_refused() -> None:
    with pytest.raises(LimitError):
        AnswerReader("GET", reads_body=False).feed(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000)


@pytest.mark.fuzz
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([CHUNKED, SIZED, EARLY, EMPTY, b"\r\n", b"HTTP/1.1 200\r\n"]))))
def test_any_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    reader = AnswerReader("GET", reads_body=True)
    try:
        for piece in pieces:
            if reader.feed(piece):
                assert 101 <= reader.status <= 999
                return
    except PeerError:
        return
    assert not reader.is_done
