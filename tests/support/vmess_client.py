"""A VMess client of blocking sockets, for what no real client would send."""

from __future__ import annotations

import os
import socket
import time
import uuid

from proxycore.destination import Destination
from proxycore.protocols.vmess.body_codec import PaddingSource, body_decoder, body_encoder
from proxycore.protocols.vmess.header_codec import (
    Command,
    Option,
    RequestHeader,
    ResponseDecoder,
    Security,
    encode_auth_id,
    encode_plain_request,
    seal_request,
)
from proxycore.protocols.vmess.ids import command_key
from tests.support.documents import DOMAIN, UUID
from tests.support.processes import LOCALHOST

KEY = command_key(uuid.UUID(UUID).bytes)
OPTIONS = Option.CHUNK_STREAM | Option.CHUNK_MASKING


def request(command: Command = Command.TCP, host: str = DOMAIN, port: int = 0) -> tuple[RequestHeader, bytes]:
    """A request (by default as the bridge makes it), and its header on the wire."""
    header = RequestHeader(
        os.urandom(16), os.urandom(16), 7, OPTIONS, Security.AES_128_GCM, command, Destination("tcp", host, port)
    )
    auth_id = encode_auth_id(KEY, int(time.time()), os.urandom(4))
    return header, seal_request(KEY, auth_id, os.urandom(8), encode_plain_request(header, b""))


class VmessClient:
    """One request on a connection of its own; `send` and `receive` are about plaintext."""

    def __init__(self, port: int, command: Command, host: str, timeout_s: float = 5.0) -> None:
        header, self._head = request(command, host)
        self._encoder = body_encoder(header, PaddingSource(os.urandom), is_response=False)
        self._response = ResponseDecoder(header)
        self._has_begun = False
        self._decoder = body_decoder(header, is_response=True)
        self._sock = socket.create_connection((LOCALHOST, port), timeout_s)
        self._sock.settimeout(timeout_s)
        self._received = bytearray()

    def __enter__(self) -> VmessClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        self._encoder.encode(data, self._sock.sendall, head)

    def receive(self, size: int) -> bytes:
        """The next `size` bytes of the answer."""
        while len(self._received) < size:
            data: bytes | memoryview = self._sock.recv(65536)
            assert data, f"the end after {bytes(self._received)!r}"
            if not self._has_begun:
                self._has_begun = self._response.feed(data)
                data = self._response.rest if self._has_begun else b""
            if len(data):
                self._decoder.feed(data, self._received.extend)
        taken, self._received = bytes(self._received[:size]), self._received[size:]
        return taken
