"""The two headers of VLESS. No I/O, no clock.

    request   u8 version = 0 | 16 user id | u8 n | n bytes addons | u8 command | [ u16 port | u8 type | address ] | payload
    response  u8 version = 0 | u8 n | n bytes addons | payload

The address stands there for TCP and UDP only. Addons are protobuf: message Addons { string Flow = 1; bytes Seed = 2; }
Source: Xray-core proxy/vless/encoding/encoding.go, addons.go, addons.proto.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

from proxycore.destination import Destination, Network
from proxycore.errors import PeerError
from proxycore.stream import Buffer
from proxycore.wire.address import TruncatedAddress, decode_port_address, encode_port_address

VERSION = 0
USER_ID_BYTES = 16
MAX_ADDONS_BYTES = 255
_ROUTE_AT = 6           # in the id
_ID_END = 1 + USER_ID_BYTES
_FLOW_FIELD = 1
_MAX_VARINT_BYTES = 10
_NO_BYTES = memoryview(b"")

RESPONSE = b"\x00\x00"
"""The whole response header, as every known server sends it."""


class Command(IntEnum):
    TCP = 1
    UDP = 2
    MUX = 3
    REVERSE = 4         # Xray from 25.9.10


_NETWORKS: dict[Command, Network] = {Command.TCP: "tcp", Command.UDP: "udp"}
_COMMANDS = frozenset(Command)


class NotVless(PeerError):
    """The beginning is no VLESS header of a known user: what fallbacks are for."""

    def __init__(self, reason: str, kind: str = PeerError.kind) -> None:
        super().__init__(reason)
        self.kind = kind


class RequestHeader(NamedTuple):
    """`destination` is None for the commands that have none."""

    flow: str
    command: Command
    destination: Destination | None


CredentialT = TypeVar("CredentialT")


class RequestDecoder(Generic[CredentialT]):
    """Collects one request header. It keeps no more than a header and one read: what follows the header ends it."""

    __slots__ = ("_find", "credential", "received", "rest")

    def __init__(self, find: Callable[[bytes], CredentialT | None]) -> None:
        """`find` knows whose an id is."""
        self._find = find
        self.credential: CredentialT | None = None
        self.received = bytearray()         # everything so far
        self.rest: memoryview = _NO_BYTES   # what followed the header, once that is complete

    @property
    def route(self) -> int:
        """Bytes 6 and 7 of the id, once a header is there: they are no part of who it is, but clients may route by them."""
        return int.from_bytes(self.received[1 + _ROUTE_AT : 1 + _ROUTE_AT + 2])

    def feed(self, data: Buffer) -> RequestHeader | None:
        """The header, if it is complete. Raises: NotVless, another version or an unknown id. PeerError, it cannot be."""
        received = self.received
        received += data
        if received and received[0] != VERSION:
            raise NotVless(f"version {received[0]}")
        if len(received) < _ID_END:
            return None
        if self.credential is None:
            self.credential = self._find(bytes(received[1:_ID_END]))
            if self.credential is None:
                raise NotVless("unknown user", "unknown_user")
        if len(received) == _ID_END:
            return None
        at = _ID_END + 1 + received[_ID_END]
        if len(received) <= at:
            return None
        flow = decode_flow(received[_ID_END + 1 : at])
        number = received[at]
        if number not in _COMMANDS:
            raise PeerError(f"unknown command {number}")
        command = Command(number)
        destination: Destination | None = None
        at += 1
        network = _NETWORKS.get(command)
        if network is not None:
            try:
                destination, at = decode_port_address(received, at, network)
            except TruncatedAddress:
                return None
        self.rest = memoryview(received)[at:]
        return RequestHeader(flow, command, destination)


class ResponseDecoder:
    """Cuts the response header off a stream."""

    __slots__ = ("_left", "_seen")

    def __init__(self) -> None:
        self._seen = 0          # bytes of version and length
        self._left = 0          # bytes of addons still to come

    @property
    def has_begun(self) -> bool:
        return self._seen > 0

    def feed(self, data: Buffer) -> memoryview | None:
        """What follows the header, once that is complete. Raises: PeerError, another version."""
        view = memoryview(data)
        at = 0
        size = len(view)
        if self._seen == 0 and at < size:
            if view[at] != VERSION:
                raise PeerError(f"the server answers with version {view[at]}")
            self._seen = 1
            at += 1
        if self._seen == 1 and at < size:
            self._left = view[at]
            self._seen = 2
            at += 1
        if self._seen < 2:
            return None
        taken = min(self._left, size - at)
        self._left -= taken
        return None if self._left else view[at + taken :]


def encode_request(user_id: bytes, command: Command, destination: Destination | None) -> bytes:
    """A request header without addons. Raises: PeerError, a destination that cannot be written."""
    head = b"%c%b\x00%c" % (VERSION, user_id, command)
    return head if destination is None else head + encode_port_address(destination.host, destination.port)


def decode_flow(addons: Buffer) -> str:
    """The flow that addons ask for; other fields are skipped. Raises: PeerError, this is not protobuf."""
    flow = ""
    at, size = 0, len(addons)
    while at < size:
        key, at = _varint(addons, at)
        wire_type = key & 7
        if not key >> 3:
            raise PeerError("addons with a field 0")
        if wire_type == 0:
            _, at = _varint(addons, at)
        elif wire_type == 2:
            length, at = _varint(addons, at)
            if key >> 3 == _FLOW_FIELD:
                flow = bytes(addons[at : at + length]).decode("latin-1")
            at += length
        elif wire_type in (1, 5):
            at += 8 if wire_type == 1 else 4
        else:
            raise PeerError(f"addons with wire type {wire_type}")
    if at > size:
        raise PeerError("addons that end within a field")
    return flow


def _varint(data: Buffer, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at >= len(data):
            raise PeerError("addons that end within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at
    raise PeerError("addons with an endless number")
