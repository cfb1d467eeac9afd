#!/usr/bin/env python3
"""What happens when things go wrong, the same for every system; one figure a line.

    bench/reverse_faults.py [--portal 'COMMAND {config}'] [--bridge 'COMMAND {config}'] [--only NAME,...]

integrity  400 random uploads and downloads, 50 at a time: digests compared
eof        the server answers and closes: how long until the client sees the end
halfclose  a client ends its sending side and must still get the whole answer
stall      one client stops reading a large download: are others still served
badauth    2000 connections of random bytes to the carrier's port: does the tunnel serve on, what did they cost
refused    the target refuses: how long until the client is told
restart    the portal, then the bridge, is killed and started again: how long until the next answer
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from rig import (
    CARRIER,
    ENTRY_WEB,
    OURS,
    WEB,
    NotReady,
    Tunnel,
    end_in_order_on_signals,
    require_ports,
    require_programs,
    until,
    wait_for_port,
)

BLOCK: Final = random.Random(1).randbytes(1 << 20)
STALLED_BYTES: Final = 64 << 20
BAD_CONNECTIONS: Final = 2000
Findings = dict[str, float | int | bool]


class Target:
    """The server behind the bridge. Its first line says what is wanted:

    GET n: n bytes of BLOCK, over and over. PUT n: read n bytes, answer their digest. EOF: the same up to the end.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", WEB), backlog=1024)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            match stream.readline().split():
                case [b"GET", size]:
                    left = int(size)
                    while left > 0:
                        connection.sendall(BLOCK[: min(left, len(BLOCK))])
                        left -= len(BLOCK)
                case [b"PUT", size]:
                    connection.sendall(hashlib.sha256(stream.read(int(size))).hexdigest().encode())
                case [b"EOF"]:
                    data = stream.read()
                    connection.sendall(f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode())


class Scene:
    """A tunnel with its target."""

    def __init__(self, tunnel: Tunnel) -> None:
        self.tunnel = tunnel
        self.target = Target()


def ask(line: bytes, timeout_s: float = 5) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", ENTRY_WEB), timeout_s)
    connection.sendall(line)
    return connection


def read_all(connection: socket.socket) -> bytes:
    with connection:
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def is_serving(timeout_s: float = 2) -> bool:
    try:
        return read_all(ask(b"GET 10\n", timeout_s)) == BLOCK[:10]
    except OSError:
        return False


def served_within(seconds: float) -> int:
    """How many small requests, one after the other, were answered."""
    served, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError), ask(b"GET 100\n", 1) as connection:
            left = 100
            while left and (piece := connection.recv(200)):
                left -= len(piece)
            served += left == 0
    return served


def integrity(scene: Scene) -> Findings:
    def is_whole(number: int) -> bool:
        dice = random.Random(number)
        size = dice.randrange(1, 1 << 20)
        try:
            if number % 2:
                return read_all(ask(b"GET %d\n" % size, 30)) == BLOCK[:size]
            data = dice.randbytes(size)
            connection = ask(b"PUT %d\n" % size, 30)
            connection.sendall(data)
            return read_all(connection) == hashlib.sha256(data).hexdigest().encode()
        except OSError:
            return False

    with ThreadPoolExecutor(50) as pool:
        return {"of 400 transfers wrong or lost": sum(not whole for whole in pool.map(is_whole, range(400)))}


def eof(scene: Scene) -> Findings:
    times = []
    for _ in range(5):
        begin = time.monotonic()
        read_all(ask(b"GET 100\n", 20))
        times.append(time.monotonic() - begin)
    return {"s until the server's close reaches the client": sorted(times)[2]}


def halfclose(scene: Scene) -> Findings:
    data = os.urandom(1 << 20)
    expected = f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode()
    whole = 0
    for _ in range(20):
        with suppress(OSError):
            connection = ask(b"EOF\n")
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            whole += read_all(connection) == expected
    return {"of 20 half-closed uploads answered whole": whole}


def stall(scene: Scene) -> Findings:
    before = served_within(2)
    with ask(b"GET %d\n" % STALLED_BYTES):
        time.sleep(2)
        beside = served_within(4) / 2
        mib = scene.tunnel.memory_mib()
    time.sleep(1)
    return {"requests per 2 s before": before, "with one stalled client": beside, "after it left": served_within(2),
            "kept, ratio": beside / max(1, before), "MiB": mib}


def badauth(scene: Scene) -> Findings:
    before = scene.tunnel.memory_mib()
    connections = []
    for number in range(BAD_CONNECTIONS):
        with suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", CARRIER), 2)
            connections.append(connection)
            connection.sendall(os.urandom(random.Random(number).randrange(1, 600)))
    time.sleep(1)
    mib = scene.tunnel.memory_mib() - before
    is_up = is_serving(5)
    for connection in connections:
        connection.close()
    return {"tunnel still serves": is_up, "MiB per 1000 bad connections": mib / (BAD_CONNECTIONS / 1000)}


def refused(scene: Scene) -> Findings:
    scene.target.close()
    time.sleep(0.2)
    begin = time.monotonic()
    how = "closed"
    try:
        read_all(ask(b"GET 10\n", 20))
    except OSError as error:
        how = type(error).__name__
    told_s = time.monotonic() - begin
    scene.target = Target()
    return {f"told ({how}) after s": told_s, "serves again": is_serving(5)}


def restart(scene: Scene) -> Findings:
    found: Findings = {}
    for part in ("portal", "bridge"):
        scene.tunnel.kill_part(part)
        time.sleep(1)
        scene.tunnel.start_part(part)
        if part == "portal":
            wait_for_port(CARRIER)
        took_s = until(lambda: is_serving(1), 60)
        found[f"{part} killed: s until served again"] = float("nan") if took_s is None else took_s
    return found


FAULTS: Final[dict[str, Callable[[Scene], Findings]]] = {
    one.__name__: one for one in (integrity, eof, halfclose, stall, badauth, refused, restart)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portal", default=OURS)
    parser.add_argument("--bridge", default=OURS)
    parser.add_argument("--only", default=",".join(FAULTS))
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    if unknown := set(wanted) - set(FAULTS):
        sys.exit(f"No such fault: {', '.join(sorted(unknown))}. There are: {', '.join(FAULTS)}")
    end_in_order_on_signals()
    require_programs({"v2ray"} & {arguments.portal.split()[0], arguments.bridge.split()[0]})
    require_ports()
    for name in wanted:
        with tempfile.TemporaryDirectory() as text:
            scene = Scene(tunnel := Tunnel({"portal": arguments.portal, "bridge": arguments.bridge}, "aes-128-gcm", Path(text)))
            try:
                tunnel.start(is_serving)
                for label, value in FAULTS[name](scene).items():
                    print(f"{name:10} {label:46} {f'{value:.3f}' if isinstance(value, float) else value}", flush=True)
            except (OSError, NotReady) as error:
                print(f"{name:10} failed: {error!r}\n{tunnel.last_lines()}", flush=True)
            finally:
                tunnel.stop()
                scene.target.close()
        time.sleep(0.5)


if __name__ == "__main__":
    main()
