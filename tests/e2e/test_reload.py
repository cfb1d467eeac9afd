"""SIGHUP: a changed file takes the place of the one that runs, and what did not change goes on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.e2e.conftest import program
from tests.support import documents
from tests.support.processes import XREV, Process, Processes, accepts, free_port, until
from tests.support.target import Target, ask, digest, is_served, pattern, read_exactly
from tests.support.tunnel import Part, Tunnel

TRANSFERS = 12
TRANSFER_BYTES = 24 << 20
RELOADS = 20


def write_and_tell(process: Process, folder: Path, name: str, document: documents.Json) -> None:
    """Replace the file in one step, as an editor does, and send SIGHUP."""
    draft = folder / f"{name}.draft"
    draft.write_text(json.dumps(document))
    os.replace(draft, folder / f"{name}.json")
    process.send_signal(signal.SIGHUP)


@pytest.mark.parametrize(("part", "portal", "bridge"), [
    ("portal", "xrev", "xrev"), ("bridge", "xrev", "xrev"), ("portal", "xrev", "v2ray"), ("bridge", "v2ray", "xrev")])
def test_transfers_go_on_while_other_things_come_and_go(
    part: Part, portal: str, bridge: str, processes: Processes, target: Target, tmp_path: Path
) -> None:
    tunnel = Tunnel(processes, target, program(portal), program(bridge)).up()
    process = tunnel.parts[part]
    wrong: list[str] = []

    def transfer() -> None:
        with ask(tunnel.port, b"GET %d\n" % TRANSFER_BYTES, 50) as sock:
            data = read_exactly(sock, 1000)
            halfway.wait()
            data += read_exactly(sock, TRANSFER_BYTES - 1000)
            if digest(data) != expected:
                wrong.append(f"{len(data)} bytes")

    expected, halfway = digest(pattern(TRANSFER_BYTES)), threading.Event()
    threads = [threading.Thread(target=transfer) for _ in range(TRANSFERS)]
    for thread in threads:
        thread.start()
    document = tunnel.documents[part]
    port = free_port()
    for number in range(RELOADS):
        changed = json.loads(json.dumps(document))
        if number % 2 == 0:
            changed.setdefault("inbounds", []).append(documents.door("extra", port, target.port))
        changed["outbounds"].append({"tag": f"spare-{number}", "protocol": "blackhole"})
        changed["routing"]["rules"].append(documents.rule(f"spare-{number}", domain=[f"full:{number}.example"]))
        write_and_tell(process, tmp_path, part, changed)
        until(f"the extra port {'opens' if number % 2 == 0 else 'closes'}", lambda n=number: accepts(port) == (n % 2 == 0), 10)
        if number == RELOADS // 2:
            halfway.set()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert is_served(tunnel.port, 5)


def test_a_file_with_an_error_changes_nothing_and_is_told(processes: Processes, target: Target, tmp_path: Path) -> None:
    port = free_port()
    document = documents.proxy([documents.door("web", port, target.port)], [{"tag": "out", "protocol": "freedom"}])
    process = processes.run_document("one", XREV, document)
    process.await_port(port)
    with ask(port, b"ECHO\nx") as sock:
        assert read_exactly(sock, 1) == b"x"
        changed = json.loads(json.dumps(document))
        changed["inbounds"][0]["port"] = "no port"
        write_and_tell(process, tmp_path, "one", changed)
        until("the error is told at its place", lambda: "inbounds[0].port" in process.log, 10)
        sock.sendall(b"y")
        assert read_exactly(sock, 1) == b"y"
    assert is_served(port)
    taken = free_port()
    holder = processes.run_document("holder", XREV, documents.proxy(
        [documents.door("web", taken, target.port)], [{"tag": "out", "protocol": "freedom"}]))
    holder.await_port(taken)
    changed = json.loads(json.dumps(document))
    changed["inbounds"].append(documents.door("second", taken, target.port))
    changed["inbounds"][0]["port"] = other = free_port()
    write_and_tell(process, tmp_path, "one", changed)
    until("the taken port is told", lambda: "inbounds[1].port" in process.log, 10)
    assert is_served(port), "all or nothing: the first inbound did not move"
    assert not accepts(other)


def test_a_client_that_is_taken_away_loses_its_connections_and_no_other_does(
    processes: Processes, target: Target, tmp_path: Path
) -> None:
    second = "0b2f1c9e-2a4f-4f0a-9b53-6f1b9f3c2f11"
    server_port = free_port()
    serving = documents.proxy([documents.vmess_inbound("in", server_port)], [{"tag": "out", "protocol": "freedom"}])
    clients = serving["inbounds"][0]["settings"]["clients"]
    clients[0]["email"] = "stays@example.org"
    clients.append({"id": second, "email": "goes@example.org"})
    server = processes.run_document("server", XREV, serving)
    server.await_port(server_port)
    ports = {}
    for name, user_id in (("stays", documents.UUID), ("goes", second)):
        ports[name] = free_port()
        out = documents.vmess_outbound("next", server_port)
        out["settings"]["vnext"][0]["users"][0]["id"] = user_id
        processes.run_document(name, XREV, documents.proxy([documents.door("web", ports[name], target.port)], [out])).await_port(
            ports[name])
    with ask(ports["stays"], b"ECHO\nx") as stays, ask(ports["goes"], b"ECHO\nx") as goes:
        assert read_exactly(stays, 1) == read_exactly(goes, 1) == b"x"
        without = json.loads(json.dumps(serving))
        del without["inbounds"][0]["settings"]["clients"][1]
        write_and_tell(server, tmp_path, "server", without)
        with contextlib.suppress(ConnectionResetError):
            assert goes.recv(1) == b""
        stays.sendall(b"y")
        assert read_exactly(stays, 1) == b"y"
    assert is_served(ports["stays"])
    assert not is_served(ports["goes"])


def test_many_reloads_leave_no_descriptor_and_no_memory_behind(processes: Processes, target: Target, tmp_path: Path) -> None:
    port, extra = free_port(), free_port()
    document = documents.proxy([documents.door("web", port, target.port)], [{"tag": "out", "protocol": "freedom"}])
    process = processes.run_document("one", XREV, document)
    process.await_port(port)

    def open_descriptors() -> int:
        return len(os.listdir(f"/proc/{process.pid}/fd"))

    def reload(times: int) -> tuple[int, int]:
        for _ in range(times):
            more = json.loads(json.dumps(document))
            more["inbounds"].append(documents.door("extra", extra, target.port))
            write_and_tell(process, tmp_path, "one", more)
            until("the port opens", lambda: accepts(extra), 10, 0.005)
            write_and_tell(process, tmp_path, "one", document)
            until("the port closes", lambda: not accepts(extra), 10, 0.005)
        return open_descriptors(), process.rss_bytes

    descriptors, memory = reload(10)
    descriptors_after, memory_after = reload(90)
    if descriptors_after > descriptors + 2:         # connections of `accepts` that are still being closed
        until("the descriptors are closed", lambda: open_descriptors() <= descriptors + 2, 10)
    assert memory_after - memory < 4 << 20
    assert is_served(port)
