"""How ends travel over WebSocket, which has no half-close."""

from __future__ import annotations

from proxycore.net.wheel import Wheel
from proxycore.transport.http_settings import WebSocketSettings
from proxycore.transport.websocket import END_LINGER_S, WebSocketClient, WebSocketServer
from proxycore.transport.websocket_codec import CLOSE, NORMAL_CLOSURE, PING, PONG, encode_frame
from tests.proxycore.transport.joined import Joined, accepted, wheel_of

ASK = (b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
FAREWELL = encode_frame(CLOSE, NORMAL_CLOSURE, b"\1\2\3\4")


def joined(wheel: Wheel) -> Joined:
    settings = WebSocketSettings(path="/ws")
    both = Joined(WebSocketClient(settings, wheel), WebSocketServer(settings, wheel))
    both.upper.write(b"question")
    both.pump()
    return both


def test_the_servers_end_is_told_at_once_and_everything_before_it_arrives() -> None:
    both = joined(Wheel())
    both.far.peer.write(b"answer")
    both.far.peer.write_eof()
    both.pump()
    assert bytes(both.near.data) == b"answer"
    assert both.near.closed
    assert both.far.ended
    assert both.wire.client.is_closed
    assert both.wire.server.is_closed


def test_a_clients_end_waits_for_the_answer() -> None:
    wheel = Wheel()
    both = joined(wheel)
    both.upper.write_eof()
    wheel_of(int(END_LINGER_S) - 1, wheel)
    both.pump()
    assert not both.far.eof
    both.far.peer.write(b"answer")
    both.far.peer.close()
    both.pump()
    assert bytes(both.near.data) == b"answer"
    assert both.near.closed or both.near.eof


def test_a_clients_end_is_told_where_no_answer_comes_before_it_and_the_answer_still_comes() -> None:
    wheel = Wheel()
    both = joined(wheel)
    both.upper.write_eof()
    for _ in range(3):
        wheel_of(2, wheel)
        both.far.peer.write(b"still ")
        both.pump()
    assert not both.far.eof
    wheel_of(2 * int(END_LINGER_S) + 1, wheel)
    both.pump()
    assert both.far.eof
    assert not both.near.ended
    both.far.peer.write(b"here")
    both.far.peer.close()
    both.pump()
    assert bytes(both.near.data) == b"still still still here"
    assert both.near.closed or both.near.eof


def test_a_client_that_closes_and_leaves_is_gone() -> None:
    wire, served, _ = accepted(WebSocketServer(WebSocketSettings(path="/ws"), Wheel()))
    wire.client.write(ASK + FAREWELL)
    wire.pump()
    assert served.far.eof
    assert not served.far.ended
    wire.client.close()
    wire.pump()
    assert served.far.aborted
    assert wire.server.is_closed


def test_a_client_that_closes_is_answered_by_a_close_when_the_server_has_finished() -> None:
    wire, served, raw = accepted(WebSocketServer(WebSocketSettings(path="/ws"), Wheel()))
    wire.client.write(ASK + FAREWELL)
    wire.pump()
    served.far.peer.write_eof()
    wire.pump()
    assert raw.data.endswith(encode_frame(CLOSE, NORMAL_CLOSURE, None))
    assert raw.data.count(encode_frame(CLOSE, NORMAL_CLOSURE, None)) == 1
    assert raw.eof


def test_of_many_pings_in_one_read_the_last_is_answered() -> None:
    wire, served, raw = accepted(WebSocketServer(WebSocketSettings(path="/ws"), Wheel()))
    wire.client.write(ASK)
    wire.pump()
    raw.take()
    pings = [encode_frame(PING, b"%d" % number, b"\1\2\3\4") for number in range(1000)]
    wire.client.write(b"".join(pings) + encode_frame(2, b"payload", b"\1\2\3\4"))
    wire.pump()
    assert bytes(raw.data) == encode_frame(PONG, b"999", None)
    assert bytes(served.far.data) == b"payload"
    wire.client.write(pings[0])
    wire.pump()
    assert raw.data.endswith(encode_frame(PONG, b"0", None))
