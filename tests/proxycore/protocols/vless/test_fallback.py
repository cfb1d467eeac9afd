"""Where a connection goes that is not VLESS."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from proxycore.destination import Destination
from proxycore.protocols.vless.fallback import FallbackChoice, http_path
from proxycore.protocols.vless.fallback_settings import Fallback
from tests.proxycore.protocols.vless.test_inbound import ID, TCP, accepted
from tests.proxycore.protocols.vless.wires import Server
from tests.support.streams import RecordingStream

WEBSITE = Destination("tcp", IPv4Address("127.0.0.1"), 8081)
GET = b"GET /status?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"


class Tls(RecordingStream):
    def __init__(self, server_name: str | None = None, alpn: str | None = None) -> None:
        super().__init__()
        self.server_name = server_name
        self.alpn = alpn


def choice(*fallbacks: dict[str, Any]) -> FallbackChoice:
    return FallbackChoice([Fallback.model_validate(fallback) for fallback in fallbacks])


def chosen(choice: FallbackChoice, *tls: str | None, received: bytes = b"?") -> int | str | None:
    fallback = choice.choose(Tls(*tls), received)
    return None if fallback is None else fallback.dest


@pytest.mark.parametrize("wire", [
    GET, b"\x01" + TCP[1:], TCP[:1] + bytes(16) + TCP[17:], TCP[:17],
], ids=["HTTP", "version", "unknown user", "short first read"])
def test_what_is_no_vless_is_relayed_from_its_first_byte(wire: bytes) -> None:
    server = Server(fallbacks=[{"dest": "127.0.0.1:8081"}])
    client = accepted(server)
    client.peer.write(wire)
    [(destination, website)] = server.dialled
    assert destination == WEBSITE
    assert website.take() == wire
    assert website.peer is client
    assert client.peer is website
    assert not client.closed
    assert server.dispatcher.requests == []


@pytest.mark.parametrize("wire", [f"00{ID}0007", f"00{ID}000126ad097f000001", f"00{ID}0004"])
def test_a_known_user_with_a_bad_request_is_closed_all_the_same(wire: str) -> None:
    server = Server(fallbacks=[{"dest": 8081}])
    client = accepted(server)
    client.peer.write(bytes.fromhex(wire))
    assert client.closed
    assert server.dialled == []


def test_a_known_user_is_served_beside_fallbacks_also_in_two_reads() -> None:
    server = Server(fallbacks=[{"dest": 8081}])
    client = accepted(server)
    client.peer.write(TCP[:18])
    client.peer.write(TCP[18:] + b"x")
    assert server.dispatcher.streams[0].take() == b"x"
    assert server.dialled == []


def test_without_one_for_this_connection_it_is_closed() -> None:
    server = Server(fallbacks=[{"path": "/other", "dest": 8081}])
    client = accepted(server)
    client.peer.write(GET)
    assert client.closed
    assert server.dialled == []


def test_a_website_that_cannot_be_reached_ends_the_client() -> None:
    server = Server(fallbacks=[{"dest": 8081}])
    client = accepted(server)
    client.peer.write(GET)
    server.dialled[0][1].peer.abort(None)
    assert client.aborted


def test_the_name_is_the_same_or_the_longest_part_of_it() -> None:
    names = choice(
        {"dest": 1}, {"name": "example.com", "dest": 2}, {"name": "b.example.com", "dest": 3}, {"name": "A.org", "dest": 4})
    assert [chosen(names, name) for name in (None, "example.com", "x.B.example.com", "y.example.com", "a.org", "other.net")] == [
        1, 2, 3, 2, 4, 1]


def test_each_level_takes_over_what_it_does_not_say_itself() -> None:
    levels = choice(
        {"dest": 1}, {"alpn": "h2", "dest": 2}, {"path": "/status", "dest": 3}, {"name": "a.org", "path": "/own", "dest": 4})
    assert chosen(levels, None, "h2") == 2
    assert chosen(levels, None, "http/1.1") == 1
    assert chosen(levels, None, "http/1.1", received=GET) == 3
    assert chosen(levels, "a.org", None, received=b"GET /own HTTP/1.1") == 4
    assert chosen(levels, "a.org", "h2") == 2
    assert chosen(levels, "a.org") == 1


@pytest.mark.parametrize(("received", "path"), [
    (GET, "/status"), (b"POST / HTTP/1.1", "/"), (b"OPTIONS /a HTTP/1.1", "/a"), (b"TOOLONGWORD /a HTTP/1.1", ""),
    (b"GET /" + b"a" * 70 + b" HTTP/1.1", ""), (b"GET /unfinished", ""), (b"PRI * HTTP/2.0\r\n", ""), (b"", "")])
def test_the_path_is_that_of_an_http_1_request(received: bytes, path: str) -> None:
    assert http_path(received) == path


@pytest.mark.parametrize(("dest", "target"), [
    (80, Destination("tcp", "localhost", 80)), ("80", Destination("tcp", "localhost", 80)),
    ("[::1]:80", Destination("tcp", "::1", 80)), ("a.example:8443", Destination("tcp", "a.example", 8443))])
def test_a_target_is_a_port_or_a_host_with_one(dest: int | str, target: Destination) -> None:
    assert str(Fallback.model_validate({"dest": dest}).target) == str(target)


@pytest.mark.parametrize(("fallback", "reason"), [
    ({"dest": 0}, "a port"), ({"dest": "host"}, "a port"), ({"dest": ":80"}, "a port"), ({"dest": 70000}, "a port"),
    ({"dest": "@"}, "names no unix socket"), ({"dest": "/" + "a" * 107}, "at most 107 bytes; this has 108"),
    ({"dest": "serve-ws-none"}, "not run"), ({"dest": "/run/a.sock", "type": "tcp"}, "another kind"),
    ({"dest": 80, "type": "unix"}, "another kind"),
    ({"dest": 80, "path": "a"}, "begin with"), ({"dest": 80, "xver": 3}, "less than or equal to 2"), ({}, "Field required")])
def test_what_cannot_be_done_is_refused_by_name(fallback: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Fallback.model_validate(fallback)


@pytest.mark.parametrize("dest", ["/run/web.sock", "@web", "@@web"])
def test_a_unix_socket_is_dialled_by_its_name(dest: str) -> None:
    server = Server(fallbacks=[{"dest": dest, "type": "unix"}])
    client = accepted(server)
    client.peer.write(GET)
    [(name, website)] = server.dialled
    assert name == dest
    assert website.take() == GET


@pytest.mark.parametrize(("xver", "header"), [
    (1, b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n"),
    (2, b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x01\xc3\x50\x01\xbb"),
])
@pytest.mark.parametrize("dest", [8081, "/run/web.sock"])
def test_the_proxy_protocol_comes_before_the_first_byte(dest: int | str, xver: int, header: bytes) -> None:
    server = Server(fallbacks=[{"dest": dest, "xver": xver}])
    client = accepted(server)
    client.peer.write(GET)
    [(_, website)] = server.dialled
    assert website.take() == header + GET
    client.peer.write(b"more")
    assert website.take() == b"more"
