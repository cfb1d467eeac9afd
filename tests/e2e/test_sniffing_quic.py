"""The first packets of QUIC through inbounds that sniff, ours and Xray's: the name in them decides where they go."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.conftest import program
from tests.proxycore.sniff.hellos import PAYLOAD_BYTES, RFC_FRAME, RFC_HELLO, crypto, initial
from tests.support import documents
from tests.support.processes import LOCALHOST, Processes, free_port, until

NAME = "example.com"            # in the RFC's hello
WHOLE = [initial(1, RFC_FRAME.ljust(PAYLOAD_BYTES, b"\0"))]
IN_TWO = [initial(1, crypto(at, piece).ljust(PAYLOAD_BYTES, b"\0"), number)
          for number, (at, piece) in enumerate(((0, RFC_HELLO[:100]), (100, RFC_HELLO[100:])))]
VERSION_2 = [initial(2, RFC_FRAME.ljust(PAYLOAD_BYTES, b"\0"))]


@contextmanager
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOCALHOST, 0))
        sock.settimeout(5)
        yield sock


def leading(tag: str, sock: socket.socket, core: str) -> dict[str, Any]:
    free = documents.freedom(tag, core)
    return free | {"settings": {**free.get("settings", {}), "redirect": f"{LOCALHOST}:{sock.getsockname()[1]}"}}


@pytest.mark.parametrize("core", ["xrev", "xray"])
@pytest.mark.parametrize(("packets", "is_seen"), [
    (WHOLE, True), (IN_TWO, True), (VERSION_2, True), ([b"\xc3\0\0\0\1" + b"\0" * 1195], False)],
    ids=["one packet", "two packets", "version 2", "no QUIC"])
def test_the_name_in_the_hello_decides(core: str, packets: list[bytes], is_seen: bool, processes: Processes) -> None:
    if core == "xray" and packets is VERSION_2:
        pytest.skip("Xray 26.7.28 sniffs version 1 and draft 29 only")
    port = free_port()
    door = documents.door("quic", port, 443, "udp", "192.0.2.1") | {
        "sniffing": {"enabled": True, "destOverride": ["quic"], "routeOnly": True}}
    with receiver() as seen, receiver() as other:
        document = documents.proxy([door], [leading("other", other, core), leading("seen", seen, core)], [
            documents.rule("seen", domain=[f"full:{NAME}"], protocol=["quic"])])
        process = processes.run_document("a", program(core), document)
        until("it listens", lambda: "started" in process.log or "running" in process.log, 15)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect((LOCALHOST, port))
            for packet in packets:
                client.send(packet)
            there = seen if is_seen else other
            assert [there.recv(2000) for _ in packets] == packets
