"""The server behind a tunnel, in a thread of the test, and what clients do with it.

A TCP connection begins with one line:

    GET n       n bytes of `pattern` come, then the server closes
    PUT n       n bytes follow; their digest comes, then the server closes
    DIGEST      bytes follow until the client's end; their number and digest come, then the server closes
    ECHO        everything comes back, for ever

The greeting port says GREETING first and then echoes; the UDP port sends each datagram back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

from tests.support.processes import LOCALHOST, until

GREETING = b"220 who speaks first\r\n"
BLOCK = random.Random(1).randbytes(1 << 20)
READ_BYTES = 256 * 1024
CLIENT_TIMEOUT_S = 10.0


def pattern(size: int) -> bytes:
    return (BLOCK * (size // len(BLOCK) + 1))[:size]


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


class _Conversation(asyncio.Protocol):
    def __init__(self, target: Target, greeting: bytes = b"") -> None:
        self._target = target
        self._greeting = greeting
        self._head = b""
        self._left = 0
        self._mode = b"ECHO" if greeting else b""
        self._hash = hashlib.sha256()
        self._count = 0
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._target.connections += 1
        self._target.open_transports.add(transport)
        if self._greeting:
            transport.write(self._greeting)

    def connection_lost(self, error: Exception | None) -> None:
        self._target.open_transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if not self._mode:
            self._head += data
            line, newline, data = self._head.partition(b"\n")
            if not newline:
                return
            words = line.split()
            self._mode = words[0]
            self._left = int(words[1]) if len(words) > 1 else 0
            if self._mode == b"GET":
                self._give()
        if self._mode == b"ECHO":
            self._transport.write(data)
        elif self._mode in (b"PUT", b"DIGEST"):
            self._hash.update(data)
            self._count += len(data)
            self._target.taken_bytes += len(data)
            if self._mode == b"PUT" and self._count >= self._left:
                self._transport.write(self._hash.hexdigest().encode())
                self._transport.close()

    def eof_received(self) -> bool:
        if self._mode == b"DIGEST":
            self._transport.write(f"{self._count} {self._hash.hexdigest()}".encode())
        return False

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._mode == b"GET":
            self._give()

    def _give(self) -> None:
        while self._left and not self._paused:
            piece = BLOCK[: min(self._left, len(BLOCK))]
            self._left -= len(piece)
            self._target.given_bytes += len(piece)
            self._transport.write(piece)
        if not self._left:
            self._transport.close()


class _UdpEcho(asyncio.DatagramProtocol):
    def __init__(self, target: Target) -> None:
        self._target = target

    def connection_made(self, transport: Any) -> None:      # asyncio's own is no subclass of DatagramTransport
        self._transport: asyncio.DatagramTransport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._target.datagrams.append(data)
        self._transport.sendto(data, address)


class Target:
    """The server; its ports are chosen by the system."""

    def __init__(self) -> None:
        self.connections = 0
        self.datagrams: list[bytes] = []
        self.taken_bytes = 0            # of PUT and DIGEST
        self.given_bytes = 0
        self.open_transports: set[asyncio.Transport] = set()
        self.port = self.greeting_port = self.udp_port = 0
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._run, name="target", daemon=True)
        self._ready = threading.Event()
        self._stopping = asyncio.Event()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10), "the target did not start"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the target did not stop"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop = self._loop
        servers = [
            await loop.create_server(lambda greeting=greeting: _Conversation(self, greeting), LOCALHOST, 0, backlog=4096)
            for greeting in (b"", GREETING)
        ]
        self.port, self.greeting_port = (server.sockets[0].getsockname()[1] for server in servers)
        transport, _ = await loop.create_datagram_endpoint(lambda: _UdpEcho(self), local_addr=(LOCALHOST, 0))
        self.udp_port = transport.get_extra_info("sockname")[1]
        self._ready.set()
        await self._stopping.wait()
        for server in servers:
            server.close()
        for connection in tuple(self.open_transports):
            connection.abort()
        transport.close()
        while self.open_transports:         # each ends in a turn of the loop
            await asyncio.sleep(0)


# clients


@contextlib.contextmanager
def ask(port: int, line: bytes, timeout_s: float = CLIENT_TIMEOUT_S) -> Iterator[socket.socket]:
    """A connection on which `line` was sent."""
    with socket.create_connection((LOCALHOST, port), timeout_s) as sock:
        sock.settimeout(timeout_s)
        if line:
            sock.sendall(line)
        yield sock


def read_exactly(sock: socket.socket, size: int) -> bytes:
    """`size` bytes, or fewer if the other side ends before."""
    data = bytearray()
    while len(data) < size and (piece := sock.recv(min(READ_BYTES, size - len(data)))):
        data += piece
    return bytes(data)


def read_to_end(sock: socket.socket) -> bytes:
    data = bytearray()
    while piece := sock.recv(READ_BYTES):
        data += piece
    return bytes(data)


def is_served(port: int, timeout_s: float = 1.0) -> bool:
    """Whether the target answers through `port`."""
    try:
        with ask(port, b"GET 10\n", timeout_s) as sock:
            return read_exactly(sock, 10) == BLOCK[:10]
    except OSError:
        return False


def download_is_whole(port: int, size: int, timeout_s: float = CLIENT_TIMEOUT_S) -> bool:
    with ask(port, b"GET %d\n" % size, timeout_s) as sock:
        return digest(read_exactly(sock, size)) == digest(pattern(size))


def upload_is_whole(port: int, data: bytes, timeout_s: float = CLIENT_TIMEOUT_S) -> bool:
    with ask(port, b"PUT %d\n" % len(data), timeout_s) as sock:
        sock.sendall(data)
        return read_exactly(sock, 64) == digest(data)


def udp_echo(port: int, data: bytes, timeout_s: float = CLIENT_TIMEOUT_S) -> bytes:
    """Send `data` until something comes back (a datagram may be lost while a carrier is made); what came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)
        sock.connect((LOCALHOST, port))

        def answer() -> bytes:
            try:
                sock.send(data)
                return sock.recv(65535)
            except OSError:
                return b""

        return until(f"a datagram comes back from port {port}", answer, timeout_s)
