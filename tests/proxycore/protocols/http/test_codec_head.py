"""Heads of HTTP messages."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination
from proxycore.errors import LimitError, PeerError
from proxycore.protocols.http.codec_head import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    HeadReader,
    authority,
    body_length,
    check_field,
    decode_basic,
    encode_basic,
    end_to_end,
    is_chunked,
    parse_authority,
    parse_request,
    parse_response,
    split_url,
)

HEAD = b"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\nEmpty:\r\n\r\n"


@pytest.mark.parametrize("step", [1, 7, 4096], ids=["byte by byte", "odd cuts", "one read"])
def test_a_head_is_cut_out_and_what_follows_kept(step: int) -> None:
    reader, wire = HeadReader(), HEAD + b"body"
    at = 0
    while not reader.feed(wire[at:at + step]):
        at += step
        assert at < len(HEAD)
    assert reader.head == HEAD[:-2]
    assert reader.rest + wire[at + step:] == b"body"
    request = parse_request(reader.head)
    assert (request.method, request.target, request.minor_version) == (b"GET", b"http://example.org/", 1)
    assert request.fields == [(b"Host", b"example.org"), (b"Empty", b"")]


def test_a_head_that_is_cut_is_waited_for() -> None:
    for size in range(len(HEAD)):
        assert not HeadReader().feed(HEAD[:size])


def test_heads_are_bounded() -> None:
    reader = HeadReader()
    assert not reader.feed(b"a" * (MAX_HEAD_BYTES - 1))
    with pytest.raises(LimitError):
        reader.feed(b"a")
    with pytest.raises(LimitError):
        parse_request(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (MAX_FIELDS + 1))


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n", b"GET /\r\n", b"GET / HTTP/2.0\r\n", b"GET  / HTTP/1.1\r\n", b"GET / x HTTP/1.1\r\n", b"G T / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n", b"GET / HTTP/1.1\r\nname : x\r\n", b"GET / HTTP/1.1\r\na: b\r\n folded\r\n",
        b"GET / HTTP/1.1\r\na: b\nc: d\r\n", b"GET / HTTP/1.1\r\na: \x00\r\n", b"GET / HTTP/1.1\r\n: x\r\n",
    ],
)
def test_what_is_no_request_is_refused(head: bytes) -> None:
    with pytest.raises(PeerError):
        parse_request(head)


def test_an_answer_is_read() -> None:
    answer = parse_response(b"HTTP/1.0 404 Not Found\r\nA: b\r\n")
    assert (answer.status, answer.line, answer.fields) == (404, b"HTTP/1.0 404 Not Found", [(b"A", b"b")])
    assert parse_response(b"HTTP/1.1 200\r\n").status == 200


@pytest.mark.parametrize("head", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 20\r\n", b"HTTP/1.1 099 x\r\n", b"HTTP/2 200 OK\r\n"])
def test_what_is_no_answer_is_refused(head: bytes) -> None:
    with pytest.raises(PeerError):
        parse_response(head)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (b"example.org", "example.org", 80), (b"example.org:443", "example.org", 443),
        (b"user:pw@example.org:1", "example.org", 1),
        (b"192.0.2.1:1", ip_address("192.0.2.1"), 1), (b"[2001:db8::1]:1", ip_address("2001:db8::1"), 1),
        (b"[2001:db8::1]", ip_address("2001:db8::1"), 80), (b"example.org:", "example.org", 80),
    ],
)
def test_an_authority_is_read(text: bytes, host: object, port: int) -> None:
    assert parse_authority(text) == Destination("tcp", host, port)      # type: ignore[arg-type]


@pytest.mark.parametrize("text", [b"", b":80", b"a:65536", b"a:x", b"2001:db8::1", b"[2001:db8::1", b"a b", b"a/b",
                                  b"[x]:1", b"a:-1"])
def test_what_is_no_authority_is_refused(text: bytes) -> None:
    with pytest.raises(PeerError):
        parse_authority(text)


def test_a_destination_is_written() -> None:
    assert authority("example.org", 80) == b"example.org:80"
    assert authority(ip_address("2001:db8::1"), 443) == b"[2001:db8::1]:443"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (b"http://a/b?c", (b"a", b"/b?c")), (b"HTTP://a", (b"a", b"/")), (b"http://a?x/y", (b"a", b"/?x/y")),
        (b"http://a/b#c", (b"a", b"/b")), (b"/b", None), (b"https://a/", None), (b"*", None),
    ],
)
def test_a_url_is_split(url: bytes, parts: tuple[bytes, bytes] | None) -> None:
    assert split_url(url) == parts


def test_a_length_is_one_number() -> None:
    assert body_length([]) is None
    assert body_length([(b"content-Length", b"5"), (b"Content-Length", b"5, 5")]) == 5
    for bad in ([b"5", b"6"], [b"5, 6"], [b"+5"], [b""], [b"9" * 19], [b"0x5"]):
        with pytest.raises(PeerError):
            body_length([(b"Content-Length", value) for value in bad])


def test_chunks_are_the_only_coding() -> None:
    assert not is_chunked([])
    assert is_chunked([(b"Transfer-Encoding", b"Chunked")])
    for bad in (b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity"):
        with pytest.raises(PeerError):
            is_chunked([(b"Transfer-Encoding", bad)])


def test_what_concerns_one_connection_is_dropped_and_framing_never() -> None:
    fields = [
        (b"Connection", b"X-Drop, content-length, keep-alive"), (b"x-drop", b"1"), (b"Content-Length", b"5"),
        (b"TE", b"trailers"),
        (b"Proxy-Authorization", b"Basic x"), (b"Upgrade", b"websocket"), (b"Keep-Alive", b"5"), (b"Accept", b"*/*"),
    ]
    assert end_to_end(fields) == [(b"Content-Length", b"5"), (b"Accept", b"*/*")]


def test_passwords_are_written_and_read() -> None:
    assert encode_basic(b"alice:secret") == b"Basic YWxpY2U6c2VjcmV0"
    assert decode_basic([(b"proxy-authorization", b"Basic YWxpY2U6c2VjcmV0")]) == b"alice:secret"
    for bad in (b"basic YWxpY2U6c2VjcmV0", b"Basic !!!", b"Bearer x", b""):
        assert decode_basic([(b"Proxy-Authorization", bad)]) is None
    assert decode_basic([]) is None


def test_header_lines_of_a_document_are_checked() -> None:
    check_field(b"User-Agent", b"curl/8 (x)")
    for name, value in ((b"a b", b"x"), (b"", b"x"), (b"a", b"x\r\nb: c")):
        with pytest.raises(PeerError):
            check_field(name, value)


@given(st.binary(max_size=200))
def test_garbage_is_read_or_refused(data: bytes) -> None:
    for parse in (parse_request, parse_response):
        with contextlib.suppress(PeerError):
            assert parse(data + b"\r\n").fields is not None
    with contextlib.suppress(PeerError):
        assert parse_authority(data).network == "tcp"
