"""Who cannot prove who he is gets nothing: no byte, no more than a little memory, and nobody else notices."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import struct
from contextlib import ExitStack, suppress

from proxycore.protocols.vmess.body_codec import PaddingSource, body_encoder
from tests.support.processes import LOCALHOST, until
from tests.support.target import download_is_whole, is_served
from tests.support.tunnel import Tunnel
from tests.support.vmess_client import request

CONNECTIONS = 200
MOST_RSS_GROWTH_BYTES = 8 << 20
RESET_ON_CLOSE = struct.pack("ii", 1, 0)        # SO_LINGER


class Strangers:
    """Connections to the port of the carriers, and what came back on them."""

    def __init__(self, port: int, stack: ExitStack) -> None:
        self._port = port
        self._stack = stack
        self.socks: list[socket.socket] = []

    def connect(self, data: bytes) -> socket.socket:
        sock = self._stack.enter_context(socket.create_connection((LOCALHOST, self._port), 5))
        self.socks.append(sock)
        sock.settimeout(5)
        with contextlib.suppress(ConnectionError):      # ended while there was more to send
            sock.sendall(data)
        return sock

    def received(self) -> bytes:
        """All that has come so far on all of them."""
        data = b""
        for sock in self.socks:
            if sock.fileno() >= 0 and select.select([sock], [], [], 0)[0]:
                try:
                    data += sock.recv(65536)
                except ConnectionResetError:
                    continue
        return data


def test_random_bytes_get_no_answer_and_cost_little(tunnel: Tunnel) -> None:
    assert download_is_whole(tunnel.port, 1 << 20)      # what the first traffic allocates is not their fault
    before = tunnel.portal.rss_bytes
    rng = random.Random(7)
    with ExitStack() as stack:
        strangers = Strangers(tunnel.carrier_port, stack)
        for _ in range(CONNECTIONS):
            strangers.connect(rng.randbytes(rng.randrange(1, 6000)))
        assert is_served(tunnel.port, 5)
        assert strangers.received() == b""
        assert tunnel.portal.rss_bytes - before < MOST_RSS_GROWTH_BYTES
    assert is_served(tunnel.port, 5)
    assert tunnel.portal.log.count("bridge connected") == 1
    # a flood of them is a flood of connections, not of lines
    assert len(tunnel.portal.log.splitlines()) < CONNECTIONS


def test_enough_random_bytes_end_the_connection(tunnel: Tunnel) -> None:
    with ExitStack() as stack:
        sock = Strangers(tunnel.carrier_port, stack).connect(os.urandom(8192))
        with suppress(ConnectionResetError):
            assert sock.recv(1) == b""


def test_half_a_header_and_an_end_or_a_reset_get_no_answer(tunnel: Tunnel) -> None:
    with ExitStack() as stack:
        strangers = Strangers(tunnel.carrier_port, stack)
        for cut in (1, 15, 16, 17, 34, 42, 60, -1):
            sock = strangers.connect(request()[1][:cut])
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b"", f"an answer to the first {cut} bytes"
        for cut in (1, 16, 42, -1):
            sock = strangers.connect(request()[1][:cut])
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            sock.close()
        assert is_served(tunnel.port, 5)
    assert "Traceback" not in tunnel.portal.log


def test_slow_ones_hold_nobody_up(tunnel: Tunnel) -> None:
    with ExitStack() as stack:
        strangers = Strangers(tunnel.carrier_port, stack)
        headers = [request()[1] for _ in range(50)]
        for header in headers:
            strangers.connect(header[:1])
        for at in range(1, 16):
            for sock, header in zip(strangers.socks, headers, strict=True):
                sock.sendall(header[at:at + 1])
            assert is_served(tunnel.port, 5)
        assert strangers.received() == b""


def test_a_header_is_taken_once(tunnel: Tunnel) -> None:
    __, wire = request()
    with ExitStack() as stack:
        strangers = Strangers(tunnel.carrier_port, stack)
        first = strangers.connect(wire)
        until("it is taken for a bridge", lambda: tunnel.portal.log.count("bridge connected") == 2, 20)
        assert first.recv(1)        # the portal opens the control session
        first.close()
        second = strangers.connect(wire)
        second.shutdown(socket.SHUT_WR)
        assert second.recv(1) == b""
        assert tunnel.portal.log.count("bridge connected") == 2


def test_garbage_behind_a_true_header_ends_that_carrier_only(tunnel: Tunnel) -> None:
    header, wire = request()
    encoder = body_encoder(header, PaddingSource(os.urandom), is_response=False)
    body = bytearray()
    encoder.encode(b"\xff" * 64, lambda data: body.__iadd__(bytes(data)))
    with ExitStack() as stack:
        strangers = Strangers(tunnel.carrier_port, stack)
        strangers.connect(wire + bytes(body))                           # well sealed, but no mux frame
        strangers.connect(request()[1] + os.urandom(1 << 17))           # not sealed
        until("both carriers are gone", lambda: tunnel.portal.log.count("gone after") == 2, 20)
        assert is_served(tunnel.port, 5)
    assert "Traceback" not in tunnel.portal.log
