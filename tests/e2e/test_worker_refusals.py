"""Each reason for which somebody is refused, as the worker's agent hears of it."""

from __future__ import annotations

import contextlib
import os
import time

import pytest

from proxycore.protocols.vmess.header_codec import encode_auth_id
from tests.support import documents
from tests.support.certificates import Authority
from tests.support.processes import LOCALHOST, free_port
from tests.support.target import ask, read_to_end
from tests.support.vmess_client import KEY, request
from tests.support.worker import Agent, Workers


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def server(workers: Workers, port: int) -> Agent:
    document = documents.proxy([documents.vmess_inbound("in", port)], [{"tag": "out", "protocol": "freedom"}])
    document["policy"] = {"levels": {"0": {"handshake": 1}}}
    return workers.run("server", document)


def say(port: int, data: bytes) -> None:
    """Say it; nothing is answered, whether it is closed or read on."""
    with ask(port, data) as sock:
        sock.settimeout(0.3)
        try:
            assert sock.recv(1) == b""
        except OSError:
            return


@pytest.mark.parametrize("off_s", [-400, 3600])
def test_a_clock_that_is_off_is_told_with_the_seconds(off_s: int, server: Agent, port: int) -> None:
    say(port, encode_auth_id(KEY, int(time.time()) + off_s, os.urandom(4)) + bytes(100))
    event = server.await_event("refused", reason="clock", tag="in", source=LOCALHOST)
    assert event.seconds == pytest.approx(off_s, abs=5)


def test_what_was_said_before_is_a_replay(server: Agent, port: int) -> None:
    _, head = request(host=LOCALHOST, port=1)
    for _ in range(2):
        say(port, head)
    server.await_event("refused", reason="replay", tag="in")


def test_who_says_nothing_whole_in_time_is_told(server: Agent, port: int) -> None:
    with ask(port, b"x") as sock:
        assert read_to_end(sock) == b""
    server.await_event("refused", reason="timeout", tag="in")


def test_who_stops_within_a_header_is_malformed(server: Agent, port: int) -> None:
    with ask(port, b"x"):
        pass
    server.await_event("refused", reason="malformed", tag="in")


def test_a_flood_is_counted_and_told_in_few_events(server: Agent, port: int) -> None:
    for _ in range(60):
        with ask(port, os.urandom(80)):
            pass
    server.await_("all are counted", lambda: server.state.get("refusals", {}).get("unknown_user") == 60)
    assert len([event for event in server.events if event.reason == "unknown_user"]) == 1
    server.await_("the rest is told together", lambda: [
        event.count for event in server.events if event.reason == "unknown_user"] == [1, 59], 30)


def test_a_tls_handshake_that_fails_is_told(workers: Workers, port: int) -> None:
    inbound = documents.vmess_inbound("in", port)
    inbound["streamSettings"] = {"security": "tls", "tlsSettings": {
        "certificates": [Authority().issue("server.example").entry]}}
    agent = workers.run("server", documents.proxy([inbound], [{"tag": "out", "protocol": "freedom"}]))
    with ask(port, b"GET / HTTP/1.1\r\n\r\n") as sock:
        read_to_end(sock)
    event = agent.await_event("refused", reason="tls", tag="in", source=LOCALHOST)
    assert event.text.startswith("TLS: ")


def refused(agent: Agent, port: int, reason: str, tag: str) -> None:
    with ask(port, b"x") as sock, contextlib.suppress(ConnectionResetError):
        read_to_end(sock)
    assert agent.await_event("refused", reason=reason, tag=tag).source == LOCALHOST


def test_where_no_rule_leads(workers: Workers, port: int) -> None:
    refused(workers.run("one", documents.proxy([documents.door("in", port, 9)], [])), port, "no_route", "in")


def test_what_a_rule_forbids(workers: Workers, port: int) -> None:
    document = documents.proxy([documents.door("in", port, 9)], [{"tag": "hole", "protocol": "blackhole"}])
    refused(workers.run("one", document), port, "blocked", "hole")
