"""Long transfers through a portal and a bridge while both are given one document after the other: none is broken."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import socket
from collections.abc import Iterator

from tests.support import documents
from tests.support.processes import LOCALHOST, free_port, until
from tests.support.target import Target, is_served, pattern
from tests.support.worker import Workers

PUBLISHES = 50
ECHOES, DOWNLOADS, UPLOADS = 120, 50, 30        # 200 transfers
STEP_BYTES = 8 * 1024                           # that each moves between two publishes
DOWNLOAD_BYTES = STEP_BYTES * (PUBLISHES + 50)
SMALL_BUFFER_BYTES = 16 * 1024                  # so that a transfer is under way for as long as its client reads
PATIENCE_S = 30.0


class Transfer:
    """One connection; what it got is only kept as a digest."""

    def __init__(self, port: int, line: bytes) -> None:
        self._sock = socket.socket()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        self._sock.settimeout(PATIENCE_S)
        self._sock.connect((LOCALHOST, port))
        self._sock.sendall(line)
        self.sent, self.got = hashlib.sha256(), hashlib.sha256()
        self.got_bytes = 0

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)
        self.sent.update(data)

    def read(self, size: int) -> bytes:
        """`size` bytes, or fewer at the end."""
        data = bytearray()
        while len(data) < size and (piece := self._sock.recv(size - len(data))):
            data += piece
        self.got.update(data)
        self.got_bytes += len(data)
        return bytes(data)

    def close(self) -> None:
        self._sock.close()


@contextlib.contextmanager
def transfers(count: int, port: int, line: bytes) -> Iterator[list[Transfer]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Transfer(port, line))) for _ in range(count)]


def other_things(document: documents.Json, number: int, extra_port: int, target_port: int) -> documents.Json:
    """`document`, with what no transfer uses added, changed and removed."""
    changed: documents.Json = json.loads(json.dumps(document))
    if number % 2:
        changed.setdefault("inbounds", []).append(documents.door("extra", extra_port, target_port))
    for inbound in changed.get("inbounds", ()):
        if inbound["protocol"] == "vmess" and number % 3:
            client = {"id": f"00000000-0000-4000-8000-{number:012x}", "email": f"{number}@example.org"}
            inbound["settings"]["clients"].append(client)
    changed["outbounds"].append({"tag": f"spare-{number % 5}", "protocol": "blackhole"})
    changed["routing"]["rules"].insert(0, documents.rule(f"spare-{number % 5}", domain=[f"full:{number}.example"]))
    if number % 4 == 0:
        changed["policy"] = {"levels": {"3": {"connIdle": 100 + number}}}
    if number % 7 == 0:
        second = {"tag": "second", "domain": f"{number}.portal.example"}
        changed.setdefault("reverse", {}).setdefault("portals", []).append(second)
    return changed


def test_two_hundred_transfers_go_on_through_fifty_publishes(workers: Workers, target: Target) -> None:
    port, carrier_port = free_port(), free_port()
    found = {
        "portal": documents.portal([documents.door("web", port, target.port)], carrier_port, level="warning"),
        "bridge": documents.bridge(carrier_port, level="warning")}
    agents = {name: workers.run(name, document) for name, document in found.items()}
    extras = {name: free_port() for name in found}
    until("the target answers through the tunnel", lambda: is_served(port), 20)
    chance = random.Random(5)
    upload_bytes = STEP_BYTES * PUBLISHES
    with (
        transfers(ECHOES, port, b"ECHO\n") as echoes,
        transfers(DOWNLOADS, port, b"GET %d\n" % DOWNLOAD_BYTES) as downloads,
        transfers(UPLOADS, port, b"PUT %d\n" % upload_bytes) as uploads,
    ):
        for number in range(PUBLISHES):
            for one in (*echoes, *uploads):
                one.send(chance.randbytes(STEP_BYTES))      # under way while the documents change
            for name, agent in agents.items():
                done = agent.run(other_things(found[name], number, extras[name], target.port), name=f"{name} #{number}")
                assert done.problems == []
                assert done.changes or number == 0
            for one in (*echoes, *downloads):
                one.read(STEP_BYTES)
        for one in downloads:
            one.read(DOWNLOAD_BYTES)
        assert {one.got.digest() == one.sent.digest() for one in echoes} == {True}
        assert {one.got_bytes for one in echoes} == {STEP_BYTES * PUBLISHES}
        whole = hashlib.sha256(pattern(DOWNLOAD_BYTES)).digest()
        assert {one.got.digest() for one in downloads} == {whole}
        for one in uploads:
            assert one.read(64) == one.sent.hexdigest().encode()
    for name, agent in agents.items():
        agent.await_("its state is that of the last document", lambda n=name, a=agent: (
            "extra" in a.state["inbounds"]) == (PUBLISHES % 2 == 0), 10)
        assert not [line for line in agent.lines if line[1] == "error"], name
