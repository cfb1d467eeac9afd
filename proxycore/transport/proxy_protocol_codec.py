"""The PROXY protocol's header, versions 1 and 2, as a server reads it and a client writes it. Source: proxy-protocol.txt of
HAProxy."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from proxycore.destination import HostPort, IPAddress, unmapped
from proxycore.errors import LimitError, PeerError
from proxycore.stream import Buffer

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_V1_BYTES = 107
MAX_V2_BYTES = 4096                 # with its TLVs, which are skipped
MAX_PORT = 65535
_HEAD_BYTES = 16
_V4, _V6 = struct.Struct(">4s4sHH"), struct.Struct(">16s16sHH")


def encode_header(version: int, source: HostPort | None, local: HostPort | None) -> bytes:
    """The header, version 1 or 2, of a connection from `source` to `local`.

    UNKNOWN (LOCAL in version 2) where one of them is not an IP address with a port: of a unix socket's client, say.
    """
    ends = [_ip(end) for end in (source, local)]
    if ends[0] is None or ends[1] is None or source is None or local is None:
        return b"PROXY UNKNOWN\r\n" if version == 1 else SIGNATURE + b"\x20\x00\x00\x00"
    first, second = ends[0], ends[1]
    if isinstance(first, IPv6Address) or isinstance(second, IPv6Address):       # both of one family
        first, second = _as_v6(first), _as_v6(second)
        family, byte, form = "TCP6", 0x21, _V6
    else:
        family, byte, form = "TCP4", 0x11, _V4
    if version == 1:
        return f"PROXY {family} {first} {second} {source[1]} {local[1]}\r\n".encode()
    body = form.pack(first.packed, second.packed, source[1], local[1])
    return SIGNATURE + bytes((0x21, byte)) + len(body).to_bytes(2, "big") + body


def _ip(end: HostPort | None) -> IPv4Address | IPv6Address | None:
    if end is None or not 0 <= end[1] <= MAX_PORT:
        return None
    try:
        ip = ip_address(end[0].partition("%")[0])
    except ValueError:
        return None
    return None if ip.is_unspecified else ip


def _as_v6(ip: IPv4Address | IPv6Address) -> IPv6Address:
    return ip if isinstance(ip, IPv6Address) else IPv6Address(f"::ffff:{ip}")


class Proxied(NamedTuple):
    """The addresses of the header; None where it has none (UNKNOWN, LOCAL): those of the connection count."""

    source: HostPort | None
    local: HostPort | None


class ProxyHeaderReader:
    """Gathers bytes until the header is complete; `rest` is what followed it."""

    __slots__ = ("_data", "rest")

    def __init__(self) -> None:
        self._data = bytearray()
        self.rest = b""

    def feed(self, data: Buffer) -> Proxied | None:
        """The addresses, once they are there. Raises: PeerError, there is no header; LimitError."""
        self._data += data
        head = bytes(self._data[: len(SIGNATURE)])
        if SIGNATURE.startswith(head):
            return self._read_v2()
        if b"PROXY ".startswith(head[:6]):
            return self._read_v1()
        raise PeerError("there is no PROXY protocol header")

    def _read_v1(self) -> Proxied | None:
        end = self._data.find(b"\r\n", 0, MAX_V1_BYTES)
        if end < 0:
            if len(self._data) >= MAX_V1_BYTES:
                raise LimitError("bytes of a PROXY header", got=len(self._data), limit=MAX_V1_BYTES)
            return None
        words = self._data[:end].decode("latin-1").split(" ")
        self._take(end + 2)
        if words[1] == "UNKNOWN":
            return Proxied(None, None)
        if words[1] not in ("TCP4", "TCP6") or len(words) != 6:
            raise PeerError("the PROXY header is not one")
        try:
            kind = IPv4Address if words[1] == "TCP4" else IPv6Address
            return Proxied((_plain(kind(words[2])), _port(words[4])), (_plain(kind(words[3])), _port(words[5])))
        except ValueError:
            raise PeerError("the PROXY header has no addresses") from None

    def _read_v2(self) -> Proxied | None:
        data = self._data
        if len(data) < _HEAD_BYTES:
            return None
        size = _HEAD_BYTES + int.from_bytes(data[14:16], "big")
        if size > MAX_V2_BYTES:
            raise LimitError("bytes of a PROXY header", got=size, limit=MAX_V2_BYTES)
        if data[12] >> 4 != 2 or data[12] & 0x0F > 1:
            raise PeerError("the PROXY header has another version or command")
        if len(data) < size:
            return None
        command, family, body = data[12] & 0x0F, data[13], bytes(data[_HEAD_BYTES:size])
        self._take(size)
        form = {0x11: _V4, 0x21: _V6}.get(family)
        if command == 0 or form is None:
            return Proxied(None, None)
        if len(body) < form.size:
            raise PeerError("the PROXY header is too short for its addresses")
        source, local, source_port, local_port = form.unpack_from(body)
        return Proxied((_plain(ip_address(source)), source_port), (_plain(ip_address(local)), local_port))

    def _take(self, size: int) -> None:
        self.rest = bytes(self._data[size:])
        self._data.clear()


def _plain(ip: IPAddress) -> str:
    """As sources are written everywhere: a front that listens for both families wraps IPv4 clients' addresses."""
    return str(unmapped(ip))


def _port(text: str) -> int:
    """Raises ValueError."""
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= MAX_PORT):
        raise ValueError("no port")
    return int(text)
