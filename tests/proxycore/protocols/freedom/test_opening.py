"""The beginning of a connection: what is kept until it is there, in which pieces it goes out, and how we get out of the way."""

from __future__ import annotations

import pytest

from proxycore.errors import DialError
from tests.proxycore.protocols.freedom.ways import Client, Way

HEADER = b"PROXY TCP4 192.0.2.7 8.8.8.8 4096 443\r\n"


def connected(way: Way) -> Client:
    client = way.open("8.8.8.8")
    way.out.connect()
    way.loop.turn()
    return client


def test_without_any_of_it_nothing_stands_between() -> None:
    way = Way()
    client = way.open("8.8.8.8")
    assert client.peer is way.out
    assert way.out.peer is client


@pytest.mark.parametrize(("version", "header"), [
    (1, HEADER),
    (2, b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x08\x08\x08\x08\x10\x00\x01\xbb")])
def test_a_proxy_header_comes_before_the_first_byte_and_then_we_are_gone(version: int, header: bytes) -> None:
    way = Way(proxyProtocol=version)
    client = way.open("8.8.8.8")
    client.peer.write(b"hello")
    assert client.paused
    assert client.peer.is_connecting
    assert way.out.data == b""
    way.out.connect()
    assert client.is_told
    way.loop.turn()
    assert way.out.writes == [header, b"hello"]
    assert not client.paused
    assert client.peer is way.out
    assert way.out.peer is client


def test_the_header_goes_out_though_the_client_says_nothing() -> None:
    way = Way(proxyProtocol=1)
    client = connected(way)
    assert way.out.take() == HEADER
    way.out.peer.write(b"banner")
    assert client.data == b"banner"


def test_a_visitor_that_is_not_known_is_said_to_be_so() -> None:
    way = Way(proxyProtocol=1)
    way.open("8.8.8.8", source=None)
    way.out.connect()
    way.loop.turn()
    assert way.out.take() == b"PROXY UNKNOWN\r\n"


def test_the_header_has_the_address_that_was_dialled_for_a_name() -> None:
    way = Way(proxyProtocol=1)
    way.open("outside.example")
    way.out.remote_address = ("8.8.8.8", 443)
    way.out.connect()
    way.loop.turn()
    assert way.out.take() == HEADER


def test_pieces_go_out_one_by_one_with_their_intervals() -> None:
    way = Way(fragment={"packets": "1-1", "length": 2, "interval": 10})
    client = connected(way)
    client.peer.write(b"abcde")
    assert client.paused
    assert way.out.writes == [b"ab"]
    way.loop.advance(0.009)
    assert way.out.writes == [b"ab"]
    way.loop.advance(0.002)
    assert way.out.writes == [b"ab", b"cd"]
    way.loop.advance(0.011)
    assert way.out.writes == [b"ab", b"cd", b"e"]
    assert client.paused
    way.loop.advance(0.011)
    assert not client.paused
    assert client.peer is way.out


def test_what_comes_meanwhile_keeps_its_place() -> None:
    way = Way(fragment={"packets": "1-1", "length": 2, "interval": 10})
    client = connected(way)
    client.peer.write(b"abc")
    client.peer.write(b"later")
    client.peer.write_eof()
    way.out.peer.write(b"answer")
    assert client.data == b"answer"
    way.loop.advance(1)
    assert way.out.writes == [b"ab", b"c", b"later"]
    assert way.out.eof


def test_a_hello_is_cut_once_and_the_rest_is_not_touched() -> None:
    way = Way(fragment={"packets": "tlshello", "length": 3, "interval": 0})
    client = connected(way)
    client.peer.write(b"\x16\x03\x01\x00\x04abcd")
    assert way.out.writes == [b"\x16\x03\x01\x00\x03abc\x16\x03\x01\x00\x01d"]
    assert client.peer is way.out


def test_all_writes_are_cut_for_ever_where_that_is_asked_for() -> None:
    way = Way(fragment={"length": 3, "interval": 0})
    client = connected(way)
    for _ in range(3):
        client.peer.write(b"abcde")
        way.loop.turn()
    assert way.out.writes == [b"abc", b"de"] * 3
    assert client.peer is not way.out
    client.peer.write_eof()
    assert way.out.eof
    way.out.peer.write_eof()
    assert client.eof


def test_very_many_pieces_let_others_have_their_turn() -> None:
    way = Way(fragment={"length": 1, "interval": 0})
    client = connected(way)
    client.peer.write(b"a" * 200)
    assert len(way.out.writes) == 64
    assert client.paused
    way.loop.advance(0.001)
    assert len(way.out.writes) == 200
    assert not client.paused


def test_a_full_connection_holds_the_pieces_back() -> None:
    way = Way(fragment={"length": 1, "interval": 0})
    client = connected(way)
    way.out.peer.pause()
    assert client.paused
    client.peer.write(b"abc")
    assert way.out.writes == []
    way.out.peer.resume()
    assert way.out.writes == [b"a", b"b", b"c"]
    assert not client.paused


def test_a_close_waits_for_the_pieces() -> None:
    way = Way(fragment={"length": 1, "interval": 10})
    client = connected(way)
    client.peer.write(b"ab")
    client.peer.close()
    assert not way.out.closed
    way.loop.advance(1)
    assert way.out.writes == [b"a", b"b"]
    assert way.out.closed


def test_a_close_with_nothing_to_say_is_at_once() -> None:
    way = Way(fragment={"length": 1, "interval": 10})
    client = way.open("8.8.8.8")
    client.peer.close()
    assert way.out.closed


def test_an_abort_drops_the_pieces() -> None:
    way = Way(fragment={"length": 1, "interval": 10})
    client = connected(way)
    client.peer.write(b"ab")
    client.peer.abort(None)
    assert way.out.aborted
    way.loop.advance(1)
    assert way.out.writes == [b"a"]


def test_a_dial_that_fails_is_told_to_the_client() -> None:
    way = Way(proxyProtocol=1)
    client = way.open("8.8.8.8")
    client.peer.write(b"hello")
    way.out.peer.abort(DialError("8.8.8.8", "refused"))
    assert isinstance(client.error, DialError)
    way.loop.advance(1)
    assert way.out.data == b""


def test_an_end_of_the_far_side_ends_the_client() -> None:
    way = Way(fragment={"length": 1, "interval": 10})
    client = connected(way)
    client.peer.write(b"ab")
    way.out.peer.close()
    assert client.closed
    way.loop.advance(1)
    assert way.out.writes == [b"a"]
