"""Heads of HTTP as the transports read and write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.errors import LimitError, PeerError
from proxycore.transport.http_head_codec import (
    MAX_HEAD_BYTES,
    HeadReader,
    encode_head,
    forwarded_source,
    host_matches,
    parse_head,
)

WIRE = b"GET /a?b HTTP/1.1\r\nHost: Example.org:80\r\nX-A: 1\r\n\r\nrest"
_PIECES = st.one_of(st.binary(max_size=30), st.sampled_from(
    [b"\r\n", b"GET / HTTP/1.1\r\n", b"HTTP/1.1 101\r\n", b"Host: a\r\n", b": \r\n", b"\r\n\r\n"]))


@pytest.mark.parametrize("step", [1, 7, 1000], ids=["byte by byte", "odd cuts", "one read"])
def test_a_head_is_the_same_however_it_is_cut_and_what_follows_is_kept(step: int) -> None:
    reader, rest = HeadReader(), b""
    head = None
    for start in range(0, len(WIRE), step):
        if head is not None:
            rest += WIRE[start : start + step]
        else:
            head = reader.feed(WIRE[start : start + step])
    assert head is not None
    assert reader.rest + rest == b"rest"
    parsed = parse_head(head)
    assert (parsed.first, parsed.path, parsed.get("x-a")) == (("GET", "/a?b", "HTTP/1.1"), "/a", "1")
    assert host_matches(parsed, "example.ORG")
    assert not host_matches(parsed, "example.net")


def test_a_head_has_a_limit() -> None:
    with pytest.raises(LimitError):
        HeadReader().feed(b"a" * (MAX_HEAD_BYTES + 1))


def test_a_line_break_cannot_be_smuggled_into_a_head() -> None:
    with pytest.raises(ValueError, match="line break"):
        encode_head("GET / HTTP/1.1", [("Host", "a\r\nX-Admin: 1")])


@pytest.mark.parametrize(("head", "trusted", "source"), [
    (b"X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nX-Key: a", ["X-Key"], "192.0.2.1"),
    (b"X-Forwarded-For: 192.0.2.1", ["X-Key"], ""),
    (b"X-Forwarded-For: evil\r\nX-Key: a", ["x-key"], ""), (b"X-Key: a", ["x-key"], "")])
def test_who_is_behind_a_proxy_counts_where_the_proxy_is_trusted(head: bytes, trusted: list[str], source: str) -> None:
    assert forwarded_source(parse_head(b"GET / HTTP/1.1\r\n" + head), trusted) == source


@pytest.mark.fuzz
@given(pieces=st.lists(_PIECES, max_size=12))
def test_any_bytes_are_a_head_or_a_peers_error(pieces: list[bytes]) -> None:
    reader = HeadReader()
    with suppress(PeerError):
        for piece in pieces:
            head = reader.feed(piece)
            if head is not None:
                parsed = parse_head(head)
                assert all(name == name.lower() for name, _ in parsed.fields)
                host_matches(parsed, "a")
                forwarded_source(parsed, ["host"])
                return
