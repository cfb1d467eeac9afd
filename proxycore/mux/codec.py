"""Frames of Mux.cool. No I/O, no clock, no logging.

    frame = u16 metaLen | meta | [ u16 dataLen | data ]          data part iff OPTION_DATA
    meta  = u16 session id | u8 status | u8 option | extra       big-endian
        New   extra = u8 network | u16 port | u8 type | address, then optional fields that a reader may ignore
        Keep  extra = nothing, or u8 2 | u16 port | u8 type | address: the address of this datagram

Source: Xray-core common/mux/frame.go, common/xudp/xudp.go. There is no resynchronisation: an error ends the carrier.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Final, Protocol

from proxycore.destination import Destination, HostPort, Network, ip_text, parse_host
from proxycore.errors import LimitError, PeerError
from proxycore.stream import Buffer
from proxycore.wire.address import TYPE_IPV4, decode_port_address, encode_port_address

NEW: Final = 1
KEEP: Final = 2
END: Final = 3
KEEP_ALIVE: Final = 4
OPTION_DATA: Final = 1
OPTION_ERROR: Final = 2
NETWORK_TCP: Final = 1
NETWORK_UDP: Final = 2

MIN_METADATA_BYTES = 4
MAX_METADATA_BYTES = 512
MAX_FRAME_DATA_BYTES = 65535
"""What a frame can say, and what every known reader takes for a stream session."""

MAX_HEAD_BYTES = 2 + MAX_METADATA_BYTES + 2
"""The most that is kept of a frame whose payload has not begun."""

_HEAD = Struct(">HHBB")             # metaLen, id, status, option
_KEEP_HEAD = Struct(">HHBBH")       # ... and dataLen
_U16 = Struct(">H")
_NETWORKS: Final[dict[int, Network]] = {NETWORK_TCP: "tcp", NETWORK_UDP: "udp"}
_NETWORK_BYTES: Final = {"tcp": NETWORK_TCP, "udp": NETWORK_UDP}
_KIND_PORT = Struct(">BH")              # network and port, before the type and the value of an address
_V4_ADDRESS_BYTES: Final = _KIND_PORT.size + 1 + 4
_V4_PAIR = Struct(">BH5sBH5s")          # two such addresses

keep_head = _KEEP_HEAD.pack
"""keep_head(4, session id, KEEP, OPTION_DATA, payload bytes): what stands before a stream session's payload."""


class Receiver(Protocol):
    """Takes the payload of one frame."""

    is_packet: bool
    """Payload must come whole (a datagram); otherwise it comes in pieces as they arrive."""

    def deliver(self, data: Buffer) -> None:
        """`data` is valid during the call only."""


FrameHandler = Callable[[int, int, int, Buffer], Receiver | None]
"""(session id, status, option, extra) -> who gets the payload, if there is one; None: it is thrown away."""


class FrameDecoder:
    """Cut a byte stream into frames. Payload is passed on in place, without copies where that is possible."""

    __slots__ = ("_handler", "_head", "_left", "_packet", "_receiver")

    def __init__(self, handler: FrameHandler) -> None:
        self._handler = handler
        self._head = bytearray()                    # a frame's beginning, not yet complete
        self._left = 0                              # payload bytes still to come of the frame under way
        self._receiver: Receiver | None = None
        self._packet = bytearray()                  # a datagram, not yet complete

    @property
    def is_between_frames(self) -> bool:
        return not self._head and not self._left

    def feed(self, data: Buffer) -> None:
        """Call the handler for each frame that `data` brings, and its receiver with the payload.

        Raises: LimitError, metadata above MAX_METADATA_BYTES. PeerError, metadata that cannot be, or what the handler raises.
        """
        view = memoryview(data)
        size = len(view)
        at = 0
        if self._head:
            at = self._complete_head(view)
            if self._head:
                return
        while at < size:
            if self._left:
                at = self._payload(view, at, size)
                continue
            if size - at < 6:
                break
            meta, session_id, status, option = _HEAD.unpack_from(view, at)
            if not MIN_METADATA_BYTES <= meta <= MAX_METADATA_BYTES:
                raise _bad_metadata(meta)
            body = at + 2 + meta
            if option & OPTION_DATA:
                if size < body + 2:
                    break
                self._left = view[body] << 8 | view[body + 1]
                extra = view[at + 6 : body]
                at = body + 2
            else:
                if size < body:
                    break
                extra = view[at + 6 : body]
                at = body
            self._receiver = self._handler(session_id, status, option, extra)
        if at < size:
            self._head += view[at:]

    def _payload(self, view: memoryview, at: int, size: int) -> int:
        """Hand on what there is of the payload under way; return where it ends in `view`."""
        end = min(at + self._left, size)
        receiver = self._receiver
        if receiver is not None:
            if not receiver.is_packet:
                receiver.deliver(view[at:end])
            elif self._packet or end - at < self._left:
                self._packet += view[at:end]
                if end - at == self._left:
                    packet, self._packet = self._packet, bytearray()
                    receiver.deliver(packet)
            else:
                receiver.deliver(view[at:end])
        self._left -= end - at
        return end

    def _complete_head(self, view: memoryview) -> int:
        """Add to the kept beginning of a frame; return how many bytes of `view` it took.

        The beginning is empty afterwards if the frame's metadata was complete, and all of `view` is taken if not.
        """
        head = self._head
        kept = len(head)
        head += view[: MAX_HEAD_BYTES - kept]
        if len(head) < 6:
            return len(view)
        meta: int
        meta, session_id, status, option = _HEAD.unpack_from(head)
        if not MIN_METADATA_BYTES <= meta <= MAX_METADATA_BYTES:
            raise _bad_metadata(meta)
        end = 2 + meta
        if option & OPTION_DATA:
            if len(head) < end + 2:
                return len(view)
            self._left = head[end] << 8 | head[end + 1]
            end += 2
        elif len(head) < end:
            return len(view)
        extra = bytes(head[6 : 2 + meta])
        self._head = bytearray()
        self._receiver = self._handler(session_id, status, option, extra)
        return end - kept


def _bad_metadata(size: int) -> PeerError:
    if size > MAX_METADATA_BYTES:
        return LimitError("bytes of mux metadata", got=size, limit=MAX_METADATA_BYTES)
    return PeerError(f"mux metadata of {size} bytes")


def decode_new(extra: Buffer) -> tuple[Destination, bytes]:
    """The destination in a New frame, and the optional fields behind it.

    Raises: PeerError, an unknown network or a bad address.
    """
    if not len(extra):
        raise PeerError("a New frame without a destination")
    network = _NETWORKS.get(extra[0])
    if network is None:
        raise PeerError(f"unknown network {extra[0]} in a New frame")
    if len(extra) >= _V4_ADDRESS_BYTES and extra[3] == TYPE_IPV4:
        return _v4_destination(network, bytes(extra[1:_V4_ADDRESS_BYTES])), bytes(extra[_V4_ADDRESS_BYTES:])
    destination, end = decode_port_address(extra, 1, network)
    return destination, bytes(extra[end:])


@lru_cache(maxsize=4096)
def _v4_destination(network: Network, encoded: bytes) -> Destination:
    """Of a port and an IPv4 address: a tunnel has few targets, and the same one is the same object."""
    return decode_port_address(encoded, 0, network)[0]


def decode_packet_address(extra: Buffer) -> Destination | None:
    """The address of the datagram in a Keep frame, if it names one. Raises: PeerError, a bad address."""
    if len(extra) and extra[0] == NETWORK_UDP:
        return decode_port_address(extra, 1, "udp")[0]
    return None


def decode_addresses(optional: Buffer) -> tuple[HostPort, HostPort] | None:
    """The visitor's address and the one that it connected to, in the optional fields of a New frame of VLESS's own reverse
    tunnel. None: they are not both there, as IP addresses.

    Raises: PeerError, what is there begins with another number than 0, 1 or 2, or is no address.
    """
    size = len(optional)
    if size == _V4_PAIR.size:       # (every session of a tunnel between two of ours comes here)
        kind, port, ip, local_kind, local_port, local_ip = _V4_PAIR.unpack(optional)
        if ip[0] == local_ip[0] == TYPE_IPV4 and kind in _NETWORKS and local_kind in _NETWORKS:
            return (_ipv4_text(ip), port), (_ipv4_text(local_ip), local_port)
    found: list[HostPort] = []
    at = 0
    while len(found) < 2 and at < size and optional[at]:
        network = _NETWORKS.get(optional[at])
        if network is None:
            raise PeerError(f"unknown network {optional[at]} of an address in a New frame")
        address, at = decode_port_address(optional, at + 1, network)
        if isinstance(address.host, str):
            return None
        found.append((ip_text(address.host), address.port))
    return (found[0], found[1]) if len(found) == 2 else None


def encode_addresses(network: Network, source: HostPort, local: HostPort) -> bytes:
    """The same fields; nothing where one of the two is no IP address."""
    kind = _NETWORK_BYTES[network]
    (source_host, source_port), (local_host, local_port) = source, local
    source_bytes, local_bytes = _ip_bytes(source_host), _ip_bytes(local_host)
    if not source_bytes or not local_bytes:
        return b""
    return _KIND_PORT.pack(kind, source_port) + source_bytes + _KIND_PORT.pack(kind, local_port) + local_bytes


@lru_cache(maxsize=4096)
def _ipv4_text(value: bytes) -> str:
    """Of the type and the four bytes of an address."""
    return ".".join(map(str, value[1:]))


@lru_cache(maxsize=4096)
def _ip_bytes(text: str) -> bytes:
    """Type and value of an IP address; nothing for what is none."""
    host = parse_host(text)
    return b"" if isinstance(host, str) else encode_port_address(host, 0)[2:]


def encode_new(
    session_id: int, destination: Destination, data: bytes = b"", optional: bytes = b"", options: int = 0
) -> bytes:
    """A New frame; `data` (at most MAX_FRAME_DATA_BYTES) travels in it, `optional` fields stand behind the address.
    `options`: bits besides OPTION_DATA. Raises: PeerError, as encode_port_address."""
    return encode_new_to(session_id, encode_destination(destination), data, optional, options)


def encode_destination(destination: Destination) -> bytes:
    """Network and address as a New frame has them. Raises: PeerError, as encode_port_address."""
    return b"%c%b" % (_NETWORK_BYTES[destination.network], encode_port_address(destination.host, destination.port))


def encode_new_to(session_id: int, destination: bytes, data: bytes = b"", optional: bytes = b"", options: int = 0) -> bytes:
    """As encode_new, where the destination is encoded already."""
    option = options | (OPTION_DATA if data else 0)
    frame = _HEAD.pack(4 + len(destination) + len(optional), session_id, NEW, option) + destination + optional
    return frame + _U16.pack(len(data)) + data if data else frame


def encode_packet(session_id: int, data: Buffer, address: Destination | None) -> bytes:
    """A Keep frame with one datagram (at most MAX_FRAME_DATA_BYTES)."""
    if address is None:
        return keep_head(4, session_id, KEEP, OPTION_DATA, len(data)) + bytes(data)
    encoded = encode_port_address(address.host, address.port)
    head = _HEAD.pack(5 + len(encoded), session_id, KEEP, OPTION_DATA)
    return b"%b%c%b%b%b" % (head, NETWORK_UDP, encoded, _U16.pack(len(data)), bytes(data))


def encode_end(session_id: int, *, is_error: bool = False) -> bytes:
    """An End frame: both directions of the session are over."""
    return _HEAD.pack(4, session_id, END, OPTION_ERROR if is_error else 0)


def encode_keep_alive() -> bytes:
    """A frame that every peer ignores."""
    return _HEAD.pack(4, 0, KEEP_ALIVE, 0)
