"""IP entries of a rule: an address, a CIDR block or a list, each perhaps negated by `!`.

How negation combines is Xray's code, not its documentation: blocks, negated blocks, lists and negated lists are a
group each, a negated one means "in none of its entries", and it is enough when one of the groups holds. A negated
group without an entry of an address family never holds for addresses of that family.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple, TypeAlias

from proxycore.destination import IPAddress, Request
from proxycore.routing.address_set import AddressGroup, AddressList, AnyOf
from proxycore.routing.condition import Condition, Side, some_of

_LISTS = ("geoip", "ext", "ext-ip")
_MAPPED_PREFIX = 0xFFFF          # the bits above an IPv4 address in ::ffff:a.b.c.d
_REMEMBERED_ADDRESSES = 4096     # client addresses whose text was read lately
_BITS = {4: 32, 6: 128}


class AddressEntry(NamedTuple):
    version: int            # 4 or 6; a v4-mapped block is an IPv4 block
    prefix: int             # the leading `length` bits, as a number
    length: int
    is_negated: bool
    text: str

    def __str__(self) -> str:
        return self.text


AddressItem: TypeAlias = AddressEntry | AddressList
"""One entry of a rule: a block, or a list that the rule names."""


def parse_address(text: str) -> AddressEntry:
    """Read one entry that names no list. Host bits below the prefix are dropped. Raises ValueError with one sentence."""
    plain = text.lstrip("!")
    is_negated = (len(text) - len(plain)) % 2 == 1
    name, colon, _ = plain.partition(":")
    if colon and name in _LISTS:
        raise ValueError(f"a list such as `{name}:` cannot be used here")
    host, slash, bits = plain.partition("/")
    try:
        if "%" in host:
            raise ValueError
        address = ip_address(host)
    except ValueError:
        raise ValueError("an IP address or a CIDR block such as 10.0.0.0/8 is expected") from None
    width = _BITS[address.version]
    length = width
    if slash:
        if not (bits.isascii() and bits.isdigit() and len(bits) <= 3 and int(bits) <= width):
            raise ValueError(f"the prefix length must be a number from 0 to {width}")
        length = int(bits)
    version, number = _plain(address)
    if version != address.version:
        if length < _BITS[6] - _BITS[4]:        # a block that holds more than the mapped addresses stays IPv6
            version, number = 6, int(address)
        else:
            length -= _BITS[6] - _BITS[4]
    return AddressEntry(version, number >> (_BITS[version] - length), length, is_negated, text)


def _plain(address: IPAddress) -> tuple[int, int]:
    number = int(address)
    if isinstance(address, IPv4Address):
        return 4, number
    if number >> 32 == _MAPPED_PREFIX:
        return 4, number & 0xFFFFFFFF
    return 6, number


@lru_cache(maxsize=_REMEMBERED_ADDRESSES)
def read_address(text: str) -> IPAddress | None:
    """A socket's address text as an IP; None for what is no address (a unix socket's path)."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def addresses_of(request: Request, side: Side) -> tuple[IPAddress, ...]:
    """The addresses on that side of the request: one, those that its domain was resolved to, or none."""
    if side == "destination":
        host = request.destination.host
        return (request.resolved or ()) if isinstance(host, str) else (host,)
    known = request.source if side == "source" else request.local
    if known is None:
        return ()
    address = read_address(known[0])
    return () if address is None else (address,)


class Blocks:
    """Many CIDR blocks of one group, one set per prefix length."""

    __slots__ = ("_v4", "_v6")

    def __init__(self, entries: Iterable[AddressEntry]) -> None:
        by_length: dict[tuple[int, int], set[int]] = {}
        for entry in entries:
            by_length.setdefault((entry.version, entry.length), set()).add(entry.prefix)
        self._v4 = tuple((32 - length, frozenset(blocks)) for (version, length), blocks in by_length.items() if version == 4)
        self._v6 = tuple((128 - length, frozenset(blocks)) for (version, length), blocks in by_length.items() if version == 6)

    def contain(self, version: int, number: int) -> bool:
        return any(number >> shift in blocks for shift, blocks in (self._v4 if version == 4 else self._v6))

    def have(self, version: int) -> bool:
        """Whether there is any block of this family."""
        return bool(self._v4 if version == 4 else self._v6)


class AddressCondition(Condition):
    """The address on one side of the request is in the entries."""

    __slots__ = ("_negated", "_plain", "entries", "side")

    def __init__(self, side: Side, entries: Sequence[AddressItem]) -> None:
        self.side = side
        self.entries = tuple(entries)
        self._plain = _groups(entries, is_negated=False)
        self._negated = _groups(entries, is_negated=True)

    @property
    def has_negation(self) -> bool:
        return any(entry.is_negated for entry in self.entries)

    def holds(self, request: Request) -> bool:
        for address in addresses_of(request, self.side):  # noqa: SIM110  (`any()` costs a generator)
            if self.fits(address):
                return True
        return False

    def fits(self, address: IPAddress) -> bool:
        """Whether `address` is in the entries."""
        version, number = _plain(address)
        for group in self._plain:
            if group.contain(version, number):
                return True
        for group in self._negated:  # noqa: SIM110  (`any()` costs a generator per decision)
            if group.have(version) and not group.contain(version, number):
                return True
        return False

    def why(self, request: Request) -> str:
        addresses = addresses_of(request, self.side)
        entries = some_of([str(entry) for entry in self.entries])
        if not addresses:
            if self.side == "destination":
                return f"the target {request.destination.host} is a domain whose address is not known here"
            return f"the {self.side} address is not known"
        fitting = [address for address in addresses if self.fits(address)]
        if fitting:
            return f"the {self.side} address {fitting[0]} fits {entries}"
        shown = some_of([str(address) for address in addresses])
        return f"the {self.side} address {shown} does not fit {entries}"


def _groups(entries: Sequence[AddressItem], *, is_negated: bool) -> tuple[AddressGroup, ...]:
    """The blocks and the lists among the entries, a group of each that there are any of."""
    chosen = [entry for entry in entries if entry.is_negated is is_negated]
    blocks = [entry for entry in chosen if isinstance(entry, AddressEntry)]
    lists = [entry.group for entry in chosen if isinstance(entry, AddressList)]
    groups: list[AddressGroup] = [Blocks(blocks)] if blocks else []
    if lists:
        groups.append(lists[0] if len(lists) == 1 else AnyOf(lists))
    return tuple(groups)


class AddressIndex:
    """Which rules have a block, or a list, that an address lies in."""

    __slots__ = ("_lists", "_tables")

    def __init__(self) -> None:
        self._tables: dict[int, dict[int, dict[int, list[int]]]] = {4: {}, 6: {}}
        self._lists: dict[AddressGroup, list[int]] = {}

    def add(self, entry: AddressItem, rule: int) -> None:
        if isinstance(entry, AddressList):
            self._lists.setdefault(entry.group, []).append(rule)    # rules share the lists that they name
            return
        by_prefix = self._tables[entry.version].setdefault(_BITS[entry.version] - entry.length, {})
        by_prefix.setdefault(entry.prefix, []).append(rule)

    def find(self, address: IPv4Address | IPv6Address) -> list[int]:
        version, number = _plain(address)
        found: list[int] = []
        for shift, by_prefix in self._tables[version].items():
            found += by_prefix.get(number >> shift, ())
        for group, rules in self._lists.items():
            if group.contain(version, number):
                found += rules
        return found
