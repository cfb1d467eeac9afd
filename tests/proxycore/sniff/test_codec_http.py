"""The head of an HTTP/1 request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.sniff.codec_http import host_of, sniff_http
from proxycore.sniff.verdict import MORE, NOT, Sniffed, Undecided

GET = b"GET /a?b=1 HTTP/1.1\r\nHost: Example.org:8080\r\nUser-Agent: curl/8\r\n\r\n"
FOUND = Sniffed("http1", "example.org", {
    "host": "Example.org:8080", "user-agent": "curl/8", ":method": "GET", ":path": "/a?b=1",
})  # fmt: skip


def test_host_and_attributes_of_a_request_are_found() -> None:
    assert sniff_http(GET) == FOUND
    assert sniff_http(GET + b"body") == FOUND


def test_every_beginning_asks_for_more_until_the_head_is_whole() -> None:
    assert [sniff_http(GET[:size]) for size in range(len(GET))] == [MORE] * len(GET)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE", "get"])
def test_methods(method: str) -> None:
    found = sniff_http(f"{method} / HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    assert found == Sniffed("http1", "a", {"host": "a", ":method": method, ":path": "/"})


def test_lines_may_end_in_a_bare_newline() -> None:
    assert sniff_http(b"GET / HTTP/1.0\nHost: a\n\n") == Sniffed("http1", "a", {"host": "a", ":method": "GET", ":path": "/"})


@pytest.mark.parametrize("data", [
    b"SSH-2.0-x\r\n", b"GETS / HTTP/1.1", b"\x16\x03", b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
], ids=["ssh", "no method", "tls", "no host", "an empty host", "http2"])  # fmt: skip
def test_what_is_no_request_with_a_host_is_not_taken(data: bytes) -> None:
    assert sniff_http(data) is NOT


def test_a_head_with_too_many_lines_is_given_up() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: y\r\n" * 300
    assert sniff_http(head) is NOT


@pytest.mark.parametrize(("text", "host"), [
    ("a.example", "a.example"), ("A.example:80", "a.example"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("::1", "::1"),
    ("1.2.3.4:80", "1.2.3.4"), ("", None), (":80", None), ("a:b", None), ("a:999999", None),
    ("a:65535", "a"), ("a:65536", None), ("a b", None), ("\xe9", None),
    ("x" * 256, None),
])  # fmt: skip
def test_a_host_is_told_from_its_port(text: str, host: str | None) -> None:
    assert host_of(text) == host


@given(st.binary(max_size=300))
def test_nothing_makes_it_raise(data: bytes) -> None:
    assert isinstance(sniff_http(b"GET / HTTP/1.1\r\n" + data), Sniffed | Undecided)
    assert isinstance(sniff_http(b"GET / HTTP/1.1\r\nHost: " + data + b"\r\n\r\n"), Sniffed | Undecided)
