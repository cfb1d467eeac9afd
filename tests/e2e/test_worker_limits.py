"""Credentials that expire, are used up or switched off: they and their connections stop within two seconds, and no others."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxycore.messages.worker import Limit, Run
from tests.support import documents
from tests.support.processes import LOCALHOST, free_port, until
from tests.support.target import Target, ask, is_served, pattern, read_exactly
from tests.support.worker import Agent, Workers

SECOND = "0b2f1c9e-2a4f-4f0a-9b53-6f1b9f3c2f11"
STOPS_WITHIN_S = 2.0


@dataclass
class Served:
    """A server with two users, and a port for each that leads through it."""

    agent: Agent
    stays: int
    goes: int
    document: documents.Json


@pytest.fixture
def served(workers: Workers, target: Target) -> Served:
    server_port = free_port()
    document = documents.proxy([documents.vmess_inbound("in", server_port)], [{"tag": "out", "protocol": "freedom"}])
    clients = document["inbounds"][0]["settings"]["clients"]
    clients[0]["email"] = "stays@example.org"
    clients.insert(0, {"id": SECOND, "email": "goes@example.org"})
    agent = workers.run("server", document)
    ports, doors, outbounds, rules = {}, [], [], []
    for name, user_id in (("stays", documents.UUID), ("goes", SECOND)):
        ports[name] = free_port()
        out = documents.vmess_outbound(name, server_port)
        out["settings"]["vnext"][0]["users"][0]["id"] = user_id
        outbounds.append(out)
        doors.append(documents.door(f"to-{name}", ports[name], target.port))
        rules.append(documents.rule(name, inboundTag=[f"to-{name}"]))
    workers.run("client", documents.proxy(doors, outbounds, rules))
    return Served(agent, ports["stays"], ports["goes"], document)


def limit(**values: object) -> Limit:
    return Limit.model_validate({"path": "inbounds[0].settings.clients[0]", "email": "goes@example.org", **values})


def seconds_until_over(sock: socket.socket) -> float:
    begin = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(1 << 16):
            pass
    return time.monotonic() - begin


@pytest.mark.parametrize("reason", ["expired", "switched_off"])
def test_a_credential_that_is_out_takes_its_connections_along(reason: str, served: Served) -> None:
    with ask(served.stays, b"ECHO\nx") as stays, ask(served.goes, b"ECHO\nx") as goes:
        assert read_exactly(stays, 1) == read_exactly(goes, 1) == b"x"
        if reason == "expired":
            served.agent.limit(limit(expires_at=time.time() + 0.5))
            assert seconds_until_over(goes) < 0.5 + STOPS_WITHIN_S
        else:
            served.agent.limit(limit(bytes_left=0))
            assert seconds_until_over(goes) < STOPS_WITHIN_S
        stays.sendall(b"y")
        assert read_exactly(stays, 1) == b"y"
    event = served.agent.await_event("credential_stopped", tag="in")
    assert event.reason == reason
    assert "goes@example.org" in event.text
    assert not is_served(served.goes)
    assert is_served(served.stays)
    served.agent.await_event("refused", reason="unknown_user")
    served.agent.limit()
    until("without limits it is let in again", lambda: is_served(served.goes), 10)


def test_a_credential_that_is_used_up_is_stopped_while_it_runs(served: Served) -> None:
    served.agent.limit(limit(bytes_left=3_000_000))
    with ask(served.goes, b"ECHO\n") as goes:
        began = time.monotonic()
        ended_at = None
        moved = 0
        piece = pattern(100_000)
        while ended_at is None and time.monotonic() - began < 20:
            try:
                goes.sendall(piece)
                got = read_exactly(goes, len(piece))
            except OSError:
                got = b""
            moved += 2 * len(got)
            if len(got) < len(piece):
                ended_at = time.monotonic()
            time.sleep(0.02)
        assert ended_at is not None
        assert moved >= 2_800_000
    assert served.agent.await_event("credential_stopped").reason == "used_up"
    assert not is_served(served.goes)
    assert is_served(served.stays)


def test_what_keeps_a_credential_from_being_stopped_does_so_no_longer_than_it_is_there(served: Served, tmp_path: Path) -> None:
    folder, aside = tmp_path / "logs", tmp_path / "aside"
    folder.mkdir()
    document = served.document | {"log": {"access": str(folder / "access.log")}}
    assert served.agent.run(document).problems == []
    with ask(served.goes, b"ECHO\nx") as goes:
        assert read_exactly(goes, 1) == b"x"
        folder.rename(aside)
        served.agent.limit(limit(expires_at=time.time() + 0.1))
        served.agent.await_("it says so", lambda: [line for line in served.agent.lines if "could not be stopped" in line[2]])
        aside.rename(folder)
        assert seconds_until_over(goes) < STOPS_WITHIN_S
    assert served.agent.await_event("credential_stopped").reason == "expired"
    assert not is_served(served.goes)


def test_a_new_document_keeps_out_who_is_out(served: Served) -> None:
    done = served.agent.run(served.document, [limit(expires_at=time.time() - 1)])
    assert done.problems == []
    assert not is_served(served.goes)
    assert is_served(served.stays)
    served.agent.run(served.document)
    until("the next document lets it in", lambda: is_served(served.goes), 10)


def test_limits_are_of_the_document_before_them_however_quickly_they_come(served: Served) -> None:
    other = json.loads(json.dumps(served.document))
    other["inbounds"][0]["settings"]["clients"].reverse()           # now it is the second that goes
    for number, document in enumerate((served.document, other)):
        served.agent.send(Run(id=100 + number, name="test", document=json.dumps(document), limits=[]))
        served.agent.limit(Limit(
            path=f"inbounds[0].settings.clients[{number}]", email="goes@example.org", expires_at=None, bytes_left=0))
    served.agent.await_("both run", lambda: {100, 101} <= served.agent.done.keys())
    until("who goes is out", lambda: not is_served(served.goes), 10)
    assert is_served(served.stays)


@pytest.mark.parametrize("protocol", ["http", "socks"])
def test_a_proxy_whose_only_account_is_out_is_not_open_to_everybody(
    protocol: str, workers: Workers, target: Target
) -> None:
    port = free_port()
    settings: documents.Json = {"accounts": [{"user": "alice", "pass": "secret"}]}
    if protocol == "socks":
        settings["auth"] = "password"
    inbound = {"tag": "in", "listen": LOCALHOST, "port": port, "protocol": protocol, "settings": settings}
    agent = workers.run(
        "one", documents.proxy([inbound], [{"tag": "out", "protocol": "freedom"}]),
        [Limit(path="inbounds[0].settings.accounts[0]", email="alice", expires_at=time.time() - 1, bytes_left=None)])
    for password in ("", "YWxpY2U6c2VjcmV0"):      # alice:secret
        header = f"Proxy-Authorization: Basic {password}\r\n" if password else ""
        with ask(port, f"CONNECT {LOCALHOST}:{target.port} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode()) as sock:
            assert b" 200 " not in read_exactly(sock, 20)
    agent.await_event("refused", reason="unknown_user")


def test_the_credential_of_a_bridge_takes_its_tunnel_along(workers: Workers, target: Target) -> None:
    port, carrier_port = free_port(), free_port()
    document = documents.portal([documents.door("web", port, target.port)], carrier_port)
    portal = workers.run("portal", document)
    workers.run("bridge", documents.bridge(carrier_port))
    until("the target answers through the tunnel", lambda: is_served(port), 20)
    with ask(port, b"ECHO\nx") as sock:
        assert read_exactly(sock, 1) == b"x"
        portal.limit(Limit(
            path="inbounds[1].settings.clients[0]", email="alice@example.org", expires_at=time.time() + 0.2, bytes_left=None))
        assert seconds_until_over(sock) < 0.2 + STOPS_WITHIN_S
    portal.await_event("tunnel_down", tag="portal")
    assert portal.await_event("credential_stopped").tag == "interconn"
