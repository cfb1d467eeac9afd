"""CONNECT of a client, and how long answers are."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination
from proxycore.errors import AuthError, PeerError
from proxycore.protocols.http.codec import ConnectDecoder, response_body
from proxycore.protocols.http.codec_body import ChunkedBody, EndlessBody, SizedBody
from proxycore.protocols.http.codec_head import parse_response

TARGET = Destination("tcp", "example.org", 443)


def test_a_client_says_where_to_and_who_it_is() -> None:
    decoder = ConnectDecoder(TARGET, b"alice:secret", [(b"User-Agent", b"curl/8")])
    assert decoder.hello() == (
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nProxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n"
        b"Proxy-Connection: Keep-Alive\r\nUser-Agent: curl/8\r\n\r\n")
    ip = ConnectDecoder(Destination("tcp", ip_address("2001:db8::1"), 80), None, [(b"host", b"front")])
    assert ip.hello() == b"CONNECT [2001:db8::1]:80 HTTP/1.1\r\nProxy-Connection: Keep-Alive\r\nhost: front\r\n\r\n"


@pytest.mark.parametrize("step", [1, 1000], ids=["byte by byte", "one read"])
def test_agreement_is_status_200_and_what_follows_is_kept(step: int) -> None:
    decoder, wire = ConnectDecoder(TARGET, None, []), b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nhello"
    at = 0
    while not decoder.is_done:
        assert decoder.feed(wire[at:at + step]) == b""
        at += step
    assert decoder.rest + wire[at:] == b"hello"


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"HTTP/1.1 407 No\r\n\r\n", AuthError), (b"HTTP/1.1 204 No\r\n\r\n", PeerError), (b"\x05\x00\r\n\r\n", PeerError)],
)
def test_everything_else_is_a_refusal(answer: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        ConnectDecoder(TARGET, None, []).feed(answer)


@pytest.mark.parametrize(
    ("head", "is_head", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", False, SizedBody),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", False, ChunkedBody),
        (b"HTTP/1.1 200 OK\r\n", False, EndlessBody),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", True, SizedBody),
        (b"HTTP/1.1 204 No\r\n", False, SizedBody),
        (b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n", False, SizedBody),
    ],
)
def test_the_end_of_an_answer_is_known_from_its_head(head: bytes, is_head: bool, kind: type) -> None:
    body = response_body(parse_response(head), is_head=is_head)
    assert type(body) is kind
    assert body.is_done is (is_head or head[9:12] != b"200")


@pytest.mark.fuzz
@given(pieces=st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 407 No\r\n", b"A: b\r\n", b"\r\n", b"\r\n\r\n",
])), max_size=10))
def test_any_answer_is_agreement_or_a_peers_error(pieces: list[bytes]) -> None:
    decoder, fed, is_refused = ConnectDecoder(TARGET, None, []), b"", False
    for piece in pieces:
        fed += piece
        try:
            decoder.feed(piece)
        except PeerError:
            is_refused = True
        if is_refused or decoder.is_done:
            break
    agrees = re.match(rb"HTTP/1\.[01] 200[ \r\n]", fed) is not None
    assert not (is_refused and decoder.is_done)
    if decoder.is_done:
        assert agrees
        assert fed.endswith(decoder.rest)
