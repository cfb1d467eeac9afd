"""TLS on a wire in memory: names, certificates that change, pins, ends."""

from __future__ import annotations

import datetime
import json
import os
import select
import socket
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxycore.errors import AuthError, ConfigError, PeerError
from proxycore.net.wheel import Wheel
from proxycore.transport.tls import TlsClient, TlsServer
from proxycore.transport.tls_peer_check import PeerCheck
from proxycore.transport.tls_settings import TlsSettings
from proxycore.transport.tls_stream import MAX_UNREAD_ANSWER_BYTES, TlsFace
from tests.proxycore.transport.joined import LOCAL, SOURCE, Joined, Served
from tests.support.certificates import Authority, Pair, authority, pair
from tests.support.streams import RecordingStream

NAME = "www.example.org"


def settings(**fields: Any) -> TlsSettings:
    return TlsSettings.model_validate_json(json.dumps(fields))


def server(*pairs: Pair, **fields: Any) -> TlsServer:
    return TlsServer(settings(certificates=[one.entry for one in pairs or (pair(NAME),)], **fields), "tls", Wheel())


def client(**fields: Any) -> TlsClient:
    given = {"certificates": [authority().entry], "disableSystemRoot": True} | fields
    return TlsClient(settings(**given), "tls", Wheel())


def joined(one: TlsClient, other: TlsServer) -> Joined:
    both = Joined(one, other)
    both.upper.write(b"hello")
    both.pump()
    return both


def shown(both: Joined) -> bytes | None:
    assert isinstance(both.upper, TlsFace)
    return both.upper.peer_certificate()


def test_name_and_alpn_are_known_at_the_server() -> None:
    upper = joined(client(alpn=["http/1.1"]), server()).served.upper
    assert isinstance(upper, TlsFace)
    assert (upper.server_name, upper.alpn, upper.version) == (NAME, "http/1.1", "TLSv1.3")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_an_end_in_one_direction_leaves_the_other_open(version: str) -> None:
    both = joined(client(maxVersion=version), server())
    both.upper.write_eof()
    both.pump()
    assert both.far.eof
    both.far.peer.write(b"answer")
    both.pump()
    assert bytes(both.near.data) == b"answer"
    both.far.peer.close()
    both.pump()
    assert both.near.eof or both.near.closed


def test_a_certificate_for_another_name_is_refused() -> None:
    both = joined(client(), server(pair("other.example.org")))
    assert isinstance(both.near.error, PeerError)
    assert both.served.upper is None


def test_a_pin_stands_for_every_other_check_and_a_wrong_one_ends_the_connection() -> None:
    stranger = pair("other.example.org")
    pinned = joined(client(certificates=[], pinnedPeerCertSha256=stranger.sha256), server(stranger))
    assert bytes(pinned.far.data) == b"hello"
    refused = joined(client(pinnedPeerCertSha256="00" * 32), server())
    assert isinstance(refused.near.error, AuthError)
    assert bytes(refused.far.data) == b""


def pinned_to_the_authority(shown: Pair, **fields: Any) -> Joined:
    return joined(client(certificates=[], pinnedPeerCertSha256=authority().sha256, **fields), server(shown))


def test_a_pinned_authority_vouches_for_the_name_that_was_asked_for_or_for_those_that_are_given() -> None:
    assert bytes(pinned_to_the_authority(authority().chained(pair(NAME))).far.data) == b"hello"
    other = authority().chained(pair("other.example.org", "192.0.2.9"))
    refused = pinned_to_the_authority(other)
    assert isinstance(refused.near.error, AuthError)
    assert bytes(refused.far.data) == b""
    for names in ("a.example.org, other.example.org", "192.0.2.9"):
        assert bytes(pinned_to_the_authority(other, verifyPeerCertByName=names).far.data) == b"hello"


def test_an_authority_that_is_only_shown_beside_a_strangers_certificate_vouches_for_nobody() -> None:
    forged = authority().chained(Authority().issue(NAME))
    assert isinstance(pinned_to_the_authority(forged).near.error, AuthError)


def test_a_certificate_that_is_no_authoritys_cannot_vouch_even_if_it_is_pinned() -> None:
    middle = pair("middle.example.org")
    forged = replace(pair(NAME), certificate=pair(NAME).certificate + middle.certificate)
    refused = joined(client(certificates=[], pinnedPeerCertSha256=middle.sha256), server(forged))
    assert isinstance(refused.near.error, AuthError)


@pytest.mark.parametrize("pins", [[authority().sha256], []], ids=["by an authority", "by name"])
def test_a_certificate_of_a_version_that_there_is_not_is_refused_like_any_other(pins: list[str]) -> None:
    version = bytes.fromhex("a003020102")
    shown = ssl.PEM_cert_to_DER_cert(pair(NAME).certificate).replace(version, version[:-1] + b"\x07")
    check = PeerCheck([bytes.fromhex(pin) for pin in pins], [NAME])
    with pytest.raises(AuthError):
        check.check([shown, ssl.PEM_cert_to_DER_cert(authority().pem)], NAME, datetime.datetime.now(datetime.UTC))


def test_another_name_than_the_one_that_was_asked_for_may_be_verified() -> None:
    both = joined(client(verifyPeerCertByName="b.example.net"), server(pair("*.example.net")))
    assert bytes(both.far.data) == b"hello"
    assert isinstance(joined(client(verifyPeerCertByName="b.example.net"), server(pair(NAME))).near.error, AuthError)
    stranger = Authority().issue("b.example.net")
    assert isinstance(joined(client(verifyPeerCertByName="b.example.net"), server(stranger)).near.error, PeerError)


def test_a_server_that_verifies_clients_serves_those_whom_its_authority_vouches_for() -> None:
    clients = Authority()
    strict = TlsServer(settings(
        certificates=[pair(NAME).entry, pair("*.example.net").entry, clients.client_entry], verifyClientCertificate=True,
    ), "tls", Wheel())
    for name in (NAME, "www.example.net"):
        def shows(*entries: dict[str, Any], name: str = name) -> Joined:
            return joined(client(serverName=name, certificates=[authority().entry, *entries]), strict)

        assert bytes(shows(clients.issue("me").entry).far.data) == b"hello"
        for refused in (shows(), shows(pair("me").entry), shows(Authority().issue("me").entry)):
            assert refused.served.upper is None
            assert refused.near.aborted


def test_to_verify_clients_an_authority_is_needed() -> None:
    with pytest.raises(ConfigError):
        server(verifyClientCertificate=True)


def test_a_resumed_session_of_a_pinned_server_is_still_that_servers() -> None:
    one = client(certificates=[], pinnedPeerCertSha256=authority().sha256, enableSessionResumption=True)
    other = server(authority().chained(pair(NAME)), enableSessionResumption=True)
    for _ in range(2):
        both = joined(one, other)
        assert bytes(both.far.data) == b"hello"
        both.upper.close()
        both.pump()


def test_an_unknown_name_gets_the_first_certificate_or_is_refused() -> None:
    first = pair("first.example.org")
    lenient = joined(client(allowInsecure=True), server(first, pair("*.example.net")))
    assert bytes(lenient.far.data) == b"hello"
    strict = joined(client(allowInsecure=True), server(first, rejectUnknownSni=True))
    assert strict.near.aborted
    wild = joined(client(serverName="a.example.net"), server(first, pair("*.example.net"), rejectUnknownSni=True))
    assert bytes(wild.far.data) == b"hello"


def test_a_session_is_resumed_only_where_both_want_it() -> None:
    for wanted in (True, False):
        one, other = client(enableSessionResumption=wanted), server(enableSessionResumption=wanted)
        for _ in range(2):
            both = joined(one, other)
            upper = both.upper
            assert isinstance(upper, TlsFace)
            resumed = upper._tls.session_reused
            both.upper.close()
            both.pump()
        assert bool(resumed) is wanted


def write_pair(folder: Path, one: Pair) -> None:
    (folder / "chain.pem").write_text(one.certificate)
    (folder / "key.pem").write_text(one.key)


def test_files_that_change_are_read_again_and_a_broken_one_leaves_the_old(tmp_path: Path) -> None:
    old, new = authority().issue(NAME), authority().issue(NAME)
    write_pair(tmp_path, old)
    files = {"certificateFile": str(tmp_path / "chain.pem"), "keyFile": str(tmp_path / "key.pem")}
    now = [0.0]
    other = TlsServer(settings(certificates=[files]), "tls", Wheel(), clock=lambda: now[0])
    before = shown(joined(client(), other))
    write_pair(tmp_path, new)
    os.utime(tmp_path / "chain.pem", (1, 1))
    assert shown(joined(client(), other)) == before         # within the same second nobody looks
    now[0] = 1.5
    after = shown(joined(client(), other))
    assert after != before
    (tmp_path / "key.pem").write_text("no key")
    now[0] = 3.0
    assert shown(joined(client(), other)) == after


@pytest.mark.parametrize(("fields", "path"), [
    ({"certificates": [{"certificateFile": "/nowhere/chain.pem", "keyFile": "/nowhere/key.pem"}]},
     "tls.certificates[0].certificateFile"),
    ({"certificates": [{"certificate": ["no PEM"], "key": ["no PEM"]}]}, "tls.certificates[0]"),
    ({"certificates": []}, "tls"),
])
def test_what_cannot_be_used_is_told_at_its_place(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TlsServer(settings(**fields), "tls", Wheel())
    assert caught.value.path == path


def test_a_name_that_cannot_be_one_is_told_at_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        client(serverName="a..b")
    assert caught.value.path == "tls.serverName"


def test_a_client_that_asks_for_new_keys_and_does_not_read_is_left(require: Callable[[str], str]) -> None:
    openssl = require("openssl")
    served, lower = Served(), RecordingStream()
    server().accept(lower, SOURCE, LOCAL, served.take)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        asking = subprocess.Popen(
            [openssl, "s_client", "-connect", address, "-tls1_3"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with asking, listening.accept()[0] as sock:
            try:
                while served.upper is None:
                    lower.peer.write(sock.recv(1 << 16))
                    sock.sendall(lower.take())
                lower.peer.pause()                  # from here on it does not read
                assert asking.stdin is not None
                for _ in range(MAX_UNREAD_ANSWER_BYTES):
                    if lower.ended:
                        break
                    asking.stdin.write(b"K\n")      # s_client's command for that
                    asking.stdin.flush()
                    assert select.select([sock], [], [], 5)[0]
                    lower.peer.write(sock.recv(1 << 16))
            finally:
                asking.kill()
    assert lower.aborted
    assert served.far.aborted
    assert len(lower.data) <= 1024
