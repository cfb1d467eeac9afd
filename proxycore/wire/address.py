"""A destination as VMess, VLESS and Mux.cool write it: the port first, then type, then value.

    u16 port | u8 type | value        big-endian
        type 1  value = 4 bytes IPv4
        type 2  value = u8 n | n bytes domain, 1 <= n <= 255
        type 3  value = 16 bytes IPv6

The type numbers and the order differ from those of SOCKS5, Trojan and Shadowsocks. Source of the rules: Xray-core
common/protocol/address.go and common/net/address.go.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from proxycore.destination import Destination, IPAddress, Network, parse_host, unmapped
from proxycore.errors import LimitError, PeerError
from proxycore.stream import Buffer

TYPE_IPV4 = 1
TYPE_DOMAIN = 2
TYPE_IPV6 = 3
MAX_DOMAIN_BYTES = 255
MAX_ADDRESS_BYTES = 2 + 1 + 1 + MAX_DOMAIN_BYTES     # of a whole encoded port and address

_DOMAIN_BYTES = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._")
_IP_FIRST_BYTES = frozenset(b"0123456789[")


class TruncatedAddress(PeerError):
    """The data ends within the address. Who may still get more of it waits; for the others it is an error."""

    def __init__(self) -> None:
        super().__init__("the data ends within an address")


def encode_port_address(host: str | IPAddress, port: int) -> bytes:
    """Encode a port and a host.

    Raises: LimitError, a domain above MAX_DOMAIN_BYTES of UTF-8. PeerError, an empty domain.
    """
    if isinstance(host, str):
        domain = host.encode()
        size = len(domain)
        if size > MAX_DOMAIN_BYTES:
            raise LimitError("bytes of a domain", got=size, limit=MAX_DOMAIN_BYTES)
        if not size:
            raise PeerError("an empty domain cannot be a destination")
        return b"%c%c\x02%c%b" % (port >> 8, port & 0xFF, size, domain)
    if isinstance(host, IPv4Address):
        return b"%c%c\x01%b" % (port >> 8, port & 0xFF, host.packed)
    return b"%c%c\x03%b" % (port >> 8, port & 0xFF, host.packed)


def decode_port_address(data: Buffer, offset: int, network: Network) -> tuple[Destination, int]:
    """Read a port and a host from `data[offset:]`; return them and the offset behind them.

    A domain that is the text of an IP address becomes that address, and a v4-mapped IPv6 address becomes IPv4.
    Raises: TruncatedAddress, the data ends too early. PeerError, an unknown type or a byte that no domain has.
    """
    size = len(data)
    value = offset + 3
    if size < value:
        raise TruncatedAddress
    port = data[offset] << 8 | data[offset + 1]
    kind = data[offset + 2]
    if kind == TYPE_IPV4:
        end = value + 4
        if size < end:
            raise TruncatedAddress
        return Destination(network, ipv4_from_wire(bytes(data[value:end])), port), end
    if kind == TYPE_DOMAIN:
        if size == value:
            raise TruncatedAddress
        end = value + 1 + data[value]
        if size < end:
            raise TruncatedAddress
        return Destination(network, domain_from_wire(bytes(data[value + 1:end])), port), end
    if kind == TYPE_IPV6:
        end = value + 16
        if size < end:
            raise TruncatedAddress
        return Destination(network, unmapped(IPv6Address(bytes(data[value:end]))), port), end
    raise PeerError(f"unknown address type {kind}")


@lru_cache(maxsize=4096)
def ipv4_from_wire(packed: bytes) -> IPv4Address:
    """The address of four bytes; the few targets of a tunnel come again and again."""
    return IPv4Address(packed)


def domain_from_wire(raw: bytes) -> str | IPAddress:
    """What a peer calls a domain: one, or the address that it is the text of. Raises: PeerError, neither."""
    if not raw:
        raise PeerError("an empty domain")
    if raw[0] in _IP_FIRST_BYTES and b"%" not in raw:      # %: Python reads a scope id, the cores do not
        host = parse_host(raw.decode("latin-1"))
        if not isinstance(host, str):
            return host
    if not _DOMAIN_BYTES.issuperset(raw):
        raise PeerError("a domain with a byte that no domain has")
    return raw.decode("ascii")
