"""What holds for every layer: bytes pass both ways however they are cut, and every end is told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from random import Random

import pytest

from proxycore.net.wheel import Wheel
from proxycore.transport.base import ClientLayer, ServerLayer
from proxycore.transport.http_settings import HttpUpgradeSettings, RawHeader, WebSocketSettings
from proxycore.transport.httpupgrade import HttpUpgradeClient, HttpUpgradeServer
from proxycore.transport.raw_http_header import RawHeaderClient, RawHeaderServer
from proxycore.transport.tls import TlsClient, TlsServer
from proxycore.transport.tls_settings import TlsSettings
from proxycore.transport.websocket import WebSocketClient, WebSocketServer
from tests.proxycore.transport.joined import SOURCE, Joined, accepted, wheel_of
from tests.support.certificates import authority, pair

Layers = tuple[ClientLayer, ServerLayer]


def tls_layers(wheel: Wheel) -> Layers:
    server = TlsSettings.model_validate_json(_json({"certificates": [pair("www.example.org").entry]}))
    client = TlsSettings.model_validate_json(_json({"certificates": [authority().entry], "disableSystemRoot": True}))
    return TlsClient(client, "o", wheel), TlsServer(server, "i", wheel)


def _json(value: object) -> str:


    return json.dumps(value)


def websocket_layers(wheel: Wheel) -> Layers:
    settings = WebSocketSettings(path="/ws")
    return WebSocketClient(settings, wheel), WebSocketServer(settings, wheel)


def early_layers(wheel: Wheel) -> Layers:
    settings = WebSocketSettings(path="/ws?ed=2048")
    return WebSocketClient(settings, wheel), WebSocketServer(settings, wheel)


def upgrade_layers(wheel: Wheel) -> Layers:
    settings = HttpUpgradeSettings(path="/up")
    return HttpUpgradeClient(settings, wheel), HttpUpgradeServer(settings, wheel)


def header_layers(wheel: Wheel) -> Layers:
    return RawHeaderClient(RawHeader(), wheel, Random(1)), RawHeaderServer(RawHeader(), wheel, Random(1), lambda: 0.0)


MAKERS = [tls_layers, websocket_layers, early_layers, upgrade_layers, header_layers]


@pytest.fixture(params=MAKERS, ids=["tls", "websocket", "websocket with early data", "httpupgrade", "raw header"])
def make(request: pytest.FixtureRequest) -> Callable[[Wheel], Layers]:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("step", [0, 1, 7], ids=["whole", "byte by byte", "odd cuts"])
def test_bytes_pass_both_ways_however_they_are_cut(make: Callable[[Wheel], Layers], step: int) -> None:
    joined = Joined(*make(Wheel()), step)
    joined.upper.write(b"hello")
    joined.pump()
    assert bytes(joined.far.data) == b"hello"
    assert joined.served.source == SOURCE
    joined.far.peer.write(b"answer")
    joined.upper.write(b", and more")
    joined.pump()
    assert (bytes(joined.near.data), bytes(joined.far.data)) == (b"answer", b"hello, and more")


def test_much_arrives_whole(make: Callable[[Wheel], Layers]) -> None:
    joined = Joined(*make(Wheel()))
    data = os.urandom(700_001)
    joined.upper.write(data[:100])
    joined.pump()
    joined.upper.write(data[100:])
    joined.pump()
    joined.far.peer.write(data)
    joined.pump()
    assert bytes(joined.far.data) == data
    assert bytes(joined.near.data) == data


def test_what_is_written_before_a_close_arrives_before_it(make: Callable[[Wheel], Layers]) -> None:
    joined = Joined(*make(Wheel()))
    joined.upper.write(b"last words")
    joined.upper.close()
    joined.pump()
    assert bytes(joined.far.data) == b"last words"
    assert joined.far.eof or joined.far.ended


def test_the_end_of_the_stream_below_reaches_the_stream_above(make: Callable[[Wheel], Layers]) -> None:
    joined = Joined(*make(Wheel()))
    joined.upper.write(b"x")
    joined.pump()
    joined.wire.server.peer.abort(None)
    joined.wire.client.peer.close()
    assert joined.far.aborted
    assert joined.near.closed


def test_nothing_reaches_a_stream_that_has_ended(make: Callable[[Wheel], Layers]) -> None:
    joined = Joined(*make(Wheel()))
    joined.upper.write(b"x")
    joined.pump()
    assert joined.served.upper is not None
    stale = joined.wire.server.peer
    joined.served.upper.close()
    joined.served.upper.close()
    stale.write(b"\xff" * 100)
    stale.write_eof()
    assert not joined.far.ended


def test_a_client_that_says_nothing_is_left_after_a_while(make: Callable[[Wheel], Layers]) -> None:
    wheel = Wheel()
    wire, served, raw = accepted(make(wheel)[1])
    wheel_of(9, wheel)
    wire.pump()
    assert wire.server.is_closed
    assert served.upper is None
    assert raw.aborted


@pytest.mark.parametrize(
    "data", [b"\x00" * 9000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 2000, b"\x16\x03\x01\xff\xff" + b"z" * 20000])
def test_garbage_ends_the_connection_and_hands_nothing_on(make: Callable[[Wheel], Layers], data: bytes) -> None:
    wire, served, _ = accepted(make(Wheel())[1])
    wire.client.write(data)
    wire.pump()
    assert wire.server.is_closed
    assert served.upper is None


def test_a_full_stream_below_stops_the_writer_and_the_other_way_round(make: Callable[[Wheel], Layers]) -> None:
    joined = Joined(*make(Wheel()))
    joined.upper.write(b"x")
    joined.pump()
    joined.wire.client.peer.pause()
    assert joined.near.paused
    joined.wire.client.peer.resume()
    assert not joined.near.paused
    joined.upper.pause()
    assert joined.wire.client.is_paused
    joined.upper.resume()
    assert not joined.wire.client.is_paused
