"""A destination as SOCKS5, Trojan and Shadowsocks write it: type and value first, the port last.

    u8 type | value | u16 port        big-endian
        type 1  value = 4 bytes IPv4
        type 3  value = u8 n | n bytes domain, 1 <= n <= 255
        type 4  value = 16 bytes IPv6

Source: RFC 1928 section 5, Xray-core common/protocol/address.go.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from proxycore.destination import Destination, IPAddress, Network, unmapped
from proxycore.errors import LimitError, PeerError
from proxycore.stream import Buffer
from proxycore.wire.address import MAX_DOMAIN_BYTES, TruncatedAddress, domain_from_wire, ipv4_from_wire

TYPE_IPV4 = 1
TYPE_DOMAIN = 3
TYPE_IPV6 = 4
MAX_SOCKS_ADDRESS_BYTES = 1 + 1 + MAX_DOMAIN_BYTES + 2


def encode_socks_address(host: str | IPAddress, port: int) -> bytes:
    """Encode a host and a port.

    Raises: LimitError, a domain above MAX_DOMAIN_BYTES of UTF-8. PeerError, an empty domain.
    """
    if isinstance(host, str):
        domain = host.encode()
        size = len(domain)
        if size > MAX_DOMAIN_BYTES:
            raise LimitError("bytes of a domain", got=size, limit=MAX_DOMAIN_BYTES)
        if not size:
            raise PeerError("an empty domain cannot be a destination")
        return b"\x03%c%b%c%c" % (size, domain, port >> 8, port & 0xFF)
    if isinstance(host, IPv4Address):
        return b"\x01%b%c%c" % (host.packed, port >> 8, port & 0xFF)
    return b"\x04%b%c%c" % (host.packed, port >> 8, port & 0xFF)


def decode_socks_address(data: Buffer, offset: int, network: Network) -> tuple[Destination, int]:
    """Read a host and a port from `data[offset:]`; return them and the offset behind them.

    A domain that is the text of an IP address becomes that address, and a v4-mapped IPv6 address becomes IPv4.
    Raises: TruncatedAddress, the data ends too early. PeerError, an unknown type or a byte that no domain has.
    """
    size = len(data)
    value = offset + 1
    if size < value:
        raise TruncatedAddress
    kind = data[offset]
    if kind == TYPE_IPV4:
        end = value + 4
    elif kind == TYPE_IPV6:
        end = value + 16
    elif kind == TYPE_DOMAIN:
        if size == value:
            raise TruncatedAddress
        value += 1
        end = value + data[value - 1]
    else:
        raise PeerError(f"unknown address type {kind}")
    if size < end + 2:
        raise TruncatedAddress
    raw = bytes(data[value:end])
    host: str | IPAddress
    if kind == TYPE_IPV4:
        host = ipv4_from_wire(raw)
    elif kind == TYPE_IPV6:
        host = unmapped(IPv6Address(raw))
    else:
        host = domain_from_wire(raw)
    return Destination(network, host, data[end] << 8 | data[end + 1]), end + 2
