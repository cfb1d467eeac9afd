"""What tests of the socket layer stand on: a poller on the running loop, a wheel turned by hand, connected TCP sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

from proxycore.net.poller import Poller
from proxycore.net.socket_stream import Census, SocketStream
from proxycore.net.wheel import Wheel
from tests.support.processes import LOCALHOST
from tests.support.streams import RecordingStream

PATIENCE_S = 15.0


async def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Let the loop turn until `condition` is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {timeout_s:g} s"
        await asyncio.sleep(0.002)


async def turns(count: int = 5) -> None:
    """Let the loop turn a few times, so that what must not happen could have."""
    for _ in range(count):
        await asyncio.sleep(0.002)


class World:
    """A socket layer of its own on the running loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.poller = Poller(self.loop)
        self.wheel = Wheel()
        self.census = Census()
        self.streams: list[SocketStream] = []       # ended with the world
        self._socks: list[socket.socket] = []

    def close(self) -> None:
        for stream in self.streams:
            stream.abort(None)
        self.poller.close()
        for sock in self._socks:
            sock.close()

    def own(self, sock: socket.socket) -> socket.socket:
        """`sock`, non-blocking, and closed with the world."""
        sock.setblocking(False)
        self._socks.append(sock)
        return sock

    def connected_pair(self, buffer_bytes: int = 0) -> tuple[socket.socket, socket.socket]:
        """Two TCP sockets connected to each other; with `buffer_bytes` the system keeps little for them."""
        with socket.create_server((LOCALHOST, 0)) as server:
            if buffer_bytes:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
                server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
            far = socket.socket()
            if buffer_bytes:
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
                far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
            far.connect(server.getsockname())
            near, _ = server.accept()
        return self.own(near), self.own(far)

    def stream(self, buffer_bytes: int = 0) -> tuple[SocketStream, RecordingStream, socket.socket]:
        """A stream that reads, its neighbour, and the far end of its connection."""
        near, far = self.connected_pair(buffer_bytes)
        stream, neighbour = SocketStream(self.poller, self.wheel, self.census, near), RecordingStream()
        self.streams.append(stream)
        stream.peer, neighbour.peer = neighbour, stream
        stream.start()
        return stream, neighbour, far

    def turn(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.wheel.turn()

    async def read_all(self, far: socket.socket) -> bytes:
        """Everything up to the end."""
        data = bytearray()
        while piece := await asyncio.wait_for(self.loop.sock_recv(far, 1 << 16), PATIENCE_S):
            data += piece
        return bytes(data)

    async def read(self, far: socket.socket, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = await asyncio.wait_for(self.loop.sock_recv(far, size - len(data)), PATIENCE_S)
            assert piece, "the end"
            data += piece
        return bytes(data)
