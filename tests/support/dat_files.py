"""Writes geosite.dat and geoip.dat, as the cores' own tools do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

KINDS = {"keyword": 0, "regexp": 1, "domain": 2, "full": 3}


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def field(number: int, value: bytes | int) -> bytes:
    """One field; a number of 0 is left out, as in these files."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return varint(number << 3 | 2) + varint(len(value)) + value


def domain(entry: str) -> bytes:
    """`full:a.example @ads @cn`: an entry with two attributes."""
    text, *attributes = entry.split(" @")
    kind, _, value = text.partition(":")
    given = b"".join(field(3, field(1, name.encode()) + field(2, 1)) for name in attributes)
    return field(1, KINDS[kind]) + field(2, value.encode()) + given


def geosite(lists: Mapping[str, Iterable[str]]) -> bytes:
    """The file with these lists; an entry is as `domain` reads it."""
    return b"".join(
        field(1, field(1, code.encode()) + b"".join(field(2, domain(entry)) for entry in entries))
        for code, entries in lists.items()
    )


def block(text: str) -> bytes:
    network = ip_network(text)
    return field(1, network.network_address.packed) + field(2, network.prefixlen)


def geoip(lists: Mapping[str, Iterable[str]]) -> bytes:
    return b"".join(
        field(1, field(1, code.encode()) + b"".join(field(2, block(text)) for text in blocks)) for code, blocks in lists.items()
    )
