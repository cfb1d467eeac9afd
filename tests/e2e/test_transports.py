"""VMess over every transport, between our program and V2Ray in both roles, and with independent clients."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import program
from tests.support import documents
from tests.support.certificates import authority, pair
from tests.support.processes import LOCALHOST, XREV, Processes, free_port, until
from tests.support.target import GREETING, Target, ask, download_is_whole, is_served, read_exactly, udp_echo, upload_is_whole

Json = dict[str, Any]
BIG_BYTES = 8 << 20
NAME = "tunnel.example.org"
TLS_SERVER: Json = {"security": "tls", "tlsSettings": {"certificates": [pair(NAME).entry]}}
TLS_CLIENT: Json = {
    "security": "tls",
    "tlsSettings": {"serverName": NAME, "disableSystemRoot": True, "certificates": [authority().entry]},
}
WS: Json = {"network": "ws", "wsSettings": {"path": "/tunnel", "headers": {"Host": NAME}}}
WS_SERVER: Json = {"network": "ws", "wsSettings": {"path": "/tunnel"}}
EARLY: Json = {"network": "ws", "wsSettings": {"path": "/tunnel?ed=2048"}}
HEADER: Json = {"network": "tcp", "tcpSettings": {"header": {
    "type": "http", "request": {"path": ["/a", "/b"]}, "response": {"status": "200", "reason": "OK"}}}}
UPGRADE: Json = {"network": "httpupgrade", "httpupgradeSettings": {"path": "/up", "host": NAME}}

TRANSPORTS: dict[str, tuple[Json, Json]] = {        # name -> (server's, client's)
    "tls": (TLS_SERVER, TLS_CLIENT),
    "ws": (WS_SERVER, WS),
    "ws tls": (WS_SERVER | TLS_SERVER, WS | TLS_CLIENT),
    "raw header": (HEADER, HEADER),
}
OURS_ONLY: dict[str, tuple[Json, Json]] = {
    "ws early": (EARLY, EARLY),
    "httpupgrade": (UPGRADE, UPGRADE),
    "httpupgrade tls": (UPGRADE | TLS_SERVER, UPGRADE | TLS_CLIENT),
    "socket options": (
        {"sockopt": {"tcpFastOpen": True, "tcpKeepAliveIdle": 30, "tcpUserTimeout": 10000}},
        {"sockopt": {"tcpFastOpen": True, "tcpKeepAliveIdle": 30, "tcpcongestion": "reno"}},
    ),
}
CASES = [
    *((name, both, server, client) for name, both in TRANSPORTS.items()
      for server, client in (("xrev", "xrev"), ("xrev", "v2ray"), ("v2ray", "xrev"))),
    *((name, both, "xrev", "xrev") for name, both in OURS_ONLY.items()),
    *((name, both, server, client) for name, both in (TRANSPORTS | OURS_ONLY).items() if name != "socket options"
      for server, client in (("xrev", "xray"), ("xray", "xrev"))),
]


class Proxied:
    """A client with doors to the target, through VMess to a server."""

    def __init__(self, processes: Processes, target: Target, settings: tuple[Json, Json], server: str, client: str,
                 mux: int = 0) -> None:
        self.carrier_port, self.port, self.greeting_port, self.udp_port = (free_port() for _ in range(4))
        inbound = documents.vmess_inbound("in", self.carrier_port) | {"streamSettings": settings[0]}
        outbound = documents.vmess_outbound("out", self.carrier_port, mux=mux) | {"streamSettings": settings[1]}
        doors = [
            documents.door("web", self.port, target.port),
            documents.door("greeting", self.greeting_port, target.greeting_port),
            documents.door("udp", self.udp_port, target.udp_port, "udp"),
        ]
        free = documents.freedom("direct", server)
        self.server = processes.run_document("server", program(server), documents.proxy([inbound], [free]))
        self.client = processes.run_document("client", program(client), documents.proxy(doors, [outbound]))
        self.server.await_port(self.carrier_port)
        self.client.await_port(self.port)


@pytest.mark.parametrize(
    ("name", "settings", "server", "client"), CASES, ids=[f"{case[0]} {case[2]}-server {case[3]}-client" for case in CASES])
def test_a_transport_carries_vmess(
    name: str, settings: tuple[Json, Json], server: str, client: str, processes: Processes, target: Target
) -> None:
    proxied = Proxied(processes, target, settings, server, client)
    until("the target answers", lambda: is_served(proxied.port), 15)
    assert download_is_whole(proxied.port, BIG_BYTES)
    assert upload_is_whole(proxied.port, os.urandom(BIG_BYTES))
    assert udp_echo(proxied.udp_port, b"datagram") == b"datagram"
    with ask(proxied.greeting_port, b"") as sock:
        assert read_exactly(sock, len(GREETING)) == GREETING


def test_a_certificate_that_nobody_vouches_for_is_refused(processes: Processes, target: Target) -> None:
    stranger: Json = {"security": "tls", "tlsSettings": {"serverName": NAME}}
    proxied = Proxied(processes, target, (TLS_SERVER, stranger), "xrev", "xrev")
    assert not is_served(proxied.port)


def test_a_pinned_certificate_needs_no_authority_and_another_one_is_refused(processes: Processes, target: Target) -> None:
    def pinned(digest: str) -> Json:
        return {"security": "tls", "tlsSettings": {"serverName": NAME, "pinnedPeerCertSha256": digest}}

    proxied = Proxied(processes, target, (TLS_SERVER, pinned(pair(NAME).sha256)), "xrev", "xrev")
    assert is_served(proxied.port)
    processes.end_all()
    proxied = Proxied(processes, target, (TLS_SERVER, pinned("ab" * 32)), "xrev", "xrev")
    assert not is_served(proxied.port)


def test_a_chain_of_outbounds_reaches_the_server(processes: Processes, target: Target) -> None:
    first, second, port = free_port(), free_port(), free_port()
    free = {"tag": "direct", "protocol": "freedom"}
    for tag, listening in (("first", first), ("second", second)):
        document = documents.proxy([documents.vmess_inbound("in", listening)], [free])
        processes.run_document(tag, XREV, document).await_port(listening)
    through = documents.vmess_outbound("out", second) | {"streamSettings": {"sockopt": {"dialerProxy": "hop"}}}
    client = documents.proxy([documents.door("web", port, target.port)], [through, documents.vmess_outbound("hop", first)])
    processes.run_document("client", XREV, client).await_port(port)
    until("the target answers", lambda: is_served(port), 10)
    assert download_is_whole(port, 1 << 20)


def test_openssl_gets_the_certificate_for_the_name_that_it_asks_for(
    processes: Processes, target: Target, require: Callable[[str], str], tmp_path: Path
) -> None:
    openssl = require("openssl")
    port = free_port()
    tls = {"certificates": [pair(NAME).entry, pair("*.example.net").entry], "rejectUnknownSni": True}
    door = documents.door("web", port, target.port) | {"streamSettings": {"security": "tls", "tlsSettings": tls}}
    processes.run_document("server", XREV, documents.proxy([door], [{"protocol": "freedom"}])).await_port(port)
    roots = tmp_path / "roots.pem"
    roots.write_text(authority().pem)

    def connect(name: str) -> subprocess.CompletedProcess[bytes]:
        command = [openssl, "s_client", "-connect", f"{LOCALHOST}:{port}", "-servername", name, "-verify_hostname", name,
                   "-CAfile", str(roots), "-verify_return_error", "-quiet"]
        return subprocess.run(command, input=b"GET 10\n", capture_output=True, timeout=15, check=False)

    for name in (NAME, "www.example.net"):
        done = connect(name)
        assert len(done.stdout) == 10, done.stderr
    assert b"unrecognized name" in connect("other.example.com").stderr


def s_client(openssl: str, port: int, *options: str) -> str:
    """What OpenSSL's client tells of a connection."""
    command = [openssl, "s_client", "-connect", f"{LOCALHOST}:{port}", "-servername", NAME, *options]
    return subprocess.run(command, input=b"", capture_output=True, timeout=15, check=False).stdout.decode(errors="replace")


@pytest.mark.parametrize(("served", "offered", "agreed"), [
    ([], "h2,http/1.1", "ALPN protocol: h2"), (["http/1.1"], "h2,http/1.1", "ALPN protocol: http/1.1"),
    (["http/1.1"], "h2", "No ALPN negotiated")])
def test_openssl_agrees_on_a_protocol(
    served: list[str], offered: str, agreed: str, processes: Processes, target: Target, require: Callable[[str], str]
) -> None:
    openssl, port = require("openssl"), free_port()
    tls = {"certificates": [pair(NAME).entry]} | ({"alpn": served} if served else {})
    door = documents.door("web", port, target.port) | {"streamSettings": {"security": "tls", "tlsSettings": tls}}
    processes.run_document("server", XREV, documents.proxy([door], [{"protocol": "freedom"}])).await_port(port)
    assert agreed in s_client(openssl, port, "-alpn", offered)


def test_versions_below_the_least_are_refused(
    processes: Processes, target: Target, require: Callable[[str], str]
) -> None:
    openssl, port = require("openssl"), free_port()
    tls = {"certificates": [pair(NAME).entry], "minVersion": "1.3"}
    door = documents.door("web", port, target.port) | {"streamSettings": {"security": "tls", "tlsSettings": tls}}
    processes.run_document("server", XREV, documents.proxy([door], [{"protocol": "freedom"}])).await_port(port)
    assert "TLSv1.3, Cipher is TLS_" in s_client(openssl, port)
    assert "Cipher is (NONE)" in s_client(openssl, port, "-tls1_2")


def test_openssls_client_shows_a_certificate_to_a_server_that_verifies_clients(
    processes: Processes, target: Target, require: Callable[[str], str], tmp_path: Path
) -> None:
    openssl, port = require("openssl"), free_port()
    entries = [pair(NAME).entry, authority().client_entry]
    tls = {"certificates": entries, "verifyClientCertificate": True}
    door = documents.door("web", port, target.port) | {"streamSettings": {"security": "tls", "tlsSettings": tls}}
    processes.run_document("server", XREV, documents.proxy([door], [{"protocol": "freedom"}])).await_port(port)
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    certificate.write_text(pair("me").certificate)
    key.write_text(pair("me").key)
    command = [openssl, "s_client", "-connect", f"{LOCALHOST}:{port}", "-quiet", "-servername", NAME]
    shown = subprocess.run(
        [*command, "-cert", str(certificate), "-key", str(key)], input=b"GET 10\n", capture_output=True, timeout=15, check=False)
    assert len(shown.stdout) == 10, shown.stderr
    nobody = subprocess.run(command, input=b"GET 10\n", capture_output=True, timeout=15, check=False)
    assert nobody.stdout == b""
