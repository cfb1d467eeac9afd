"""Inbounds on unix sockets, in a document."""

from __future__ import annotations

import pytest

from proxycore.net.unix import UnixAddress
from tests.proxycore.document.reading import lines_of, read

DOOR = '"settings": {"address": "192.0.2.1", "port": 80}'


def inbound(fields: str) -> str:
    return f'{{"inbounds": [{{"protocol": "tunnel", {fields}}}]}}'


@pytest.mark.parametrize("port", ["", '"port": 80, ', '"port": "1-5", '])
def test_the_port_beside_a_unix_socket_counts_for_nothing(port: str) -> None:
    document = inbound(f'{port}"listen": "/run/a.sock,0660", {DOOR}')
    assert lines_of(document) == []
    [entry] = read(document).inbounds
    assert (entry.listen, entry.ports) == (UnixAddress("/run/a.sock", 0o660), ())


@pytest.mark.parametrize(("fields", "line"), [
    ('"listen": "/run/a.sock,rw"', 'listen: "rw" is no mode of a file; an octal number such as 0660 is expected after the comma'),
    ('"listen": "@"', 'listen: "@" names no unix socket'),
    ('"listen": "@a", "settings": {"address": "192.0.2.1"}',
     'settings: who comes by a unix socket has come by no port: say which one is meant (give "port")'),
    ('"listen": "@a", "settings": {"network": "udp", "port": 53}',
     'listen: a unix socket takes connections, no datagrams (add "tcp" to "network")'),
])
def test_what_is_wrong_with_a_unix_socket_is_told(fields: str, line: str) -> None:
    assert [one.split("error: inbounds[0].", 1)[1] for one in lines_of(inbound(fields))] == [line]


def test_two_inbounds_cannot_have_one_socket() -> None:
    entry = f'{{"protocol": "tunnel", "listen": "/run/a.sock", {DOOR}}}'
    [line] = lines_of(f'{{"inbounds": [{entry}, {entry}]}}')
    assert line.endswith("error: inbounds[1].listen: inbounds[0] listens on /run/a.sock already")
