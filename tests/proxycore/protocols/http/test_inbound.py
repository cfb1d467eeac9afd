"""The HTTP proxy: CONNECT, and exchanges."""

from __future__ import annotations

import pytest

from proxycore.destination import Destination
from proxycore.errors import DialError
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import InboundContext
from proxycore.protocols.http.exchange import MAX_INTERIM_ANSWERS
from proxycore.protocols.http.inbound import MAX_KEPT_BYTES, HttpInbound
from proxycore.protocols.http.settings import HttpInboundSettings
from tests.support.streams import RecordingDispatcher, RecordingStream

SOURCE, LOCAL = ("198.51.100.9", 40000), ("192.0.2.1", 3128)
CONNECT = b"CONNECT example.org:443 HTTP/1.1\r\n\r\n"
GET = b"GET http://example.org/a HTTP/1.1\r\nHost: ignored\r\nProxy-Connection: keep-alive\r\nAccept: */*\r\n\r\n"
GET_SENT = b"GET /a HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
OK_KEPT = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nProxy-Connection: keep-alive\r\nConnection: keep-alive\r\n"
           b"Keep-Alive: timeout=60\r\n\r\nhi")


class Server:
    def __init__(self, **settings: object) -> None:
        self.wheel = Wheel()
        self.dispatcher = RecordingDispatcher()
        context = InboundContext("in", "inbounds[0]", self.dispatcher, self.wheel, lambda: 0.0)
        self.inbound = HttpInbound(HttpInboundSettings.model_validate(settings), context)

    def accept(self, data: bytes = b"", step: int = 1 << 20) -> RecordingStream:
        stream = RecordingStream()
        self.inbound.accept(stream, SOURCE, LOCAL)
        for start in range(0, len(data), step):
            stream.peer.write(data[start:start + step])
        return stream

    @property
    def far(self) -> RecordingStream:
        return self.dispatcher.streams[-1]


@pytest.mark.parametrize("step", [1, 1000], ids=["byte by byte", "one read"])
def test_connect_becomes_a_tunnel_and_what_followed_is_kept(step: int) -> None:
    server = Server()
    stream = server.accept(CONNECT + b"early", step)
    assert server.dispatcher.requests[0].destination == Destination("tcp", "example.org", 443)
    assert stream.take() == b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert server.far.take() == b"early"
    assert (stream.peer, server.far.peer) == (server.far, stream)


@pytest.mark.parametrize("step", [1, 1000], ids=["byte by byte", "one read"])
def test_plain_requests_are_routed_each_on_its_own(step: int) -> None:
    server = Server()
    stream = server.accept(GET, step)
    assert server.far.take() == GET_SENT
    for start in range(0, len(OK), step):
        server.far.peer.write(OK[start:start + step])
    assert (stream.take(), server.far.closed, stream.closed) == (OK_KEPT, True, False)
    stream.peer.write(GET.replace(b"example.org", b"other.example"))
    assert [request.destination.host for request in server.dispatcher.requests] == ["example.org", "other.example"]


def test_rules_see_the_attributes_of_a_plain_request() -> None:
    server = Server()
    server.accept(GET.replace(b"/a ", b"/a?b=1 ").replace(b"Accept", b"X-Who: first\r\nx-who: second\r\nAccept"))
    (request,) = server.dispatcher.requests
    assert request.protocol == "http/1.1"
    assert request.attributes == {":method": "GET", ":path": "/a", "x-who": "first", "accept": "*/*"}


def test_a_tunnel_has_neither_protocol_nor_attributes() -> None:
    server = Server()
    server.accept(CONNECT)
    (request,) = server.dispatcher.requests
    assert (request.protocol, request.attributes) == ("", None)


def test_a_request_ahead_waits_for_the_answer() -> None:
    server = Server()
    stream = server.accept(GET + GET)
    assert (len(server.dispatcher.requests), stream.paused) == (1, True)
    server.far.peer.write(OK)
    assert (len(server.dispatcher.requests), stream.paused) == (2, False)
    assert server.far.take() == GET_SENT


def test_requests_ahead_are_bounded() -> None:
    server = Server()
    stream = server.accept(GET)
    stream.peer.write(b"x" * MAX_KEPT_BYTES)
    assert not stream.closed
    stream.peer.write(b"x")
    assert stream.closed
    assert server.far.aborted


def test_without_the_wish_for_more_the_connection_ends_with_the_answer() -> None:
    server = Server()
    stream = server.accept(GET.replace(b"Proxy-Connection: keep-alive\r\n", b""))
    server.far.peer.write(OK)
    assert b"Connection: close" in stream.take()
    assert stream.closed


def test_a_body_goes_on_as_it_is() -> None:
    server = Server()
    body = b"3\r\nabc\r\n0\r\n\r\n"
    stream = server.accept(GET.replace(b"GET", b"POST").replace(b"Accept: */*", b"Transfer-Encoding: chunked") + body[:4], 1000)
    stream.peer.write(body[4:] + b"GET")
    assert server.far.take().endswith(b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + body)
    server.far.peer.write(OK)
    assert stream.take() == OK_KEPT


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Transfer-Encoding: chunked\r\n", b"2\r\nhi\r\n0\r\n\r\n"), (b"Content-Length: 0\r\n", b""),
    ],
)
def test_an_answer_whose_end_is_known_keeps_the_connection(head: bytes, body: bytes) -> None:
    server = Server()
    stream = server.accept(GET)
    server.far.peer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)
    answer = stream.take()
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n")
    assert answer.endswith(b"\r\n\r\n" + body)
    assert server.far.closed
    assert not stream.closed


def test_a_server_that_only_says_that_it_will_answer_is_left() -> None:
    server = Server()
    stream = server.accept(GET)
    server.far.peer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000)
    assert stream.data.count(b"100 Continue") == MAX_INTERIM_ANSWERS
    assert b"503 Service Unavailable" in stream.data
    assert stream.closed
    assert server.far.closed


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    server = Server()
    stream = server.accept(GET)
    server.far.peer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert stream.take() == b"HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nConnection: close\r\n\r\nhello"
    assert not stream.closed
    server.far.peer.write_eof()
    assert stream.closed


def test_an_answer_that_breaks_off_is_seen_as_such() -> None:
    server = Server()
    stream = server.accept(GET)
    server.far.peer.write(OK[:-1])
    server.far.peer.write_eof()
    assert stream.aborted


@pytest.mark.parametrize("end", ["write_eof", "close", "abort", "garbage"])
def test_no_answer_is_a_503(end: str) -> None:
    server = Server()
    stream = server.accept(GET)
    far = server.far.peer
    if end == "abort":
        far.abort(DialError("x", "y"))
    elif end == "garbage":
        far.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    else:
        getattr(far, end)()
    assert stream.take().startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert stream.closed


def test_passwords_are_asked_for_and_checked() -> None:
    server = Server(accounts=[{"user": "alice", "pass": "secret"}])
    for line in (b"", b"Proxy-Authorization: Basic YWxpY2U6d3Jvbmc=\r\n"):
        stream = server.accept(CONNECT[:-2] + line + b"\r\n")
        assert stream.take() == (
            b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="proxy"\r\n\r\n')
        assert stream.closed
    server.accept(CONNECT[:-2] + b"Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n")
    assert [request.user for request in server.dispatcher.requests] == ["alice"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", b"CONNECT a:x HTTP/1.1\r\n\r\n", b"GET https://a/ HTTP/1.1\r\n\r\n",
        b"POST http://a/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST http://a/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST http://a/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_cannot_be_routed_or_framed_is_a_400(data: bytes) -> None:
    server = Server()
    stream = server.accept(data)
    assert stream.take().startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert stream.closed
    assert server.dispatcher.requests == []


def test_garbage_is_closed_without_an_answer() -> None:
    stream = Server().accept(b"\x16\x03\x01\r\n\r\n")
    assert (stream.take(), stream.closed) == (b"", True)


def test_transparent_requests_go_by_their_host_if_allowed() -> None:
    server = Server(allowTransparent=True)
    server.accept(b"GET /a HTTP/1.1\r\nHost: example.org:81\r\n\r\n")
    assert server.dispatcher.requests[0].destination == Destination("tcp", "example.org", 81)
    assert server.far.take() == b"GET /a HTTP/1.1\r\nHost: example.org:81\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("said", [b"", CONNECT[:-1], GET])
def test_a_head_has_a_minute_and_an_exchange_does_not(said: bytes) -> None:
    server = Server()
    stream = server.accept(said)
    for _ in range(61):
        server.wheel.turn()
    assert stream.closed is (said != GET)


def test_a_client_that_leaves_ends_the_exchange() -> None:
    server = Server()
    server.accept(GET).peer.abort(None)
    assert server.far.aborted


def test_back_pressure_passes_through_an_exchange() -> None:
    server = Server()
    stream = server.accept(GET)
    stream.peer.pause()
    server.far.peer.pause()
    assert server.far.paused
    assert stream.paused
    stream.peer.resume()
    server.far.peer.resume()
    assert not server.far.paused
    assert not stream.paused
