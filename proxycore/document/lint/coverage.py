"""Whether one rule takes everything that another would: then the other, standing later, never matches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_network

from proxycore.document.lint.matching import Rule
from proxycore.document.lint.tree import Node
from proxycore.routing.addresses import parse_address

MAX_COMPARED_RULES = 500  # in a longer list only the first so many are compared with each other
MAX_COMPARED_ADDRESSES = 400  # pairs of address entries of two rules; beyond them nothing is said

_LISTS_OF_PORTS = frozenset({"port", "sourcePort", "localPort", "vlessRoute"})
_LISTS_OF_ADDRESSES = frozenset({"ip", "source", "localIP"})
_ALL_NETWORKS = frozenset({"tcp", "udp"})


def covers(wide: Rule, narrow: Rule) -> bool:
    """Whether every request that fits `narrow` surely fits `wide`."""
    return all(_covers_one(wide, narrow, name) for name in wide.matchers) and bool(wide.matchers)


def _covers_one(wide: Rule, narrow: Rule, name: str) -> bool:
    theirs = narrow.matchers.get(name)
    if name == "network":
        names = _folded(wide.texts(name))
        return names >= _ALL_NETWORKS or (theirs is not None and names >= _folded(narrow.texts(name)))
    if theirs is None:
        return name == "port" and wide.ports is not None and _all_ports(wide.ports)
    if name in _LISTS_OF_PORTS:
        return _covers_ports(wide, narrow, name)
    if name == "domain":
        return _cover_domains(wide, narrow)
    if name in _LISTS_OF_ADDRESSES:
        return _cover_addresses(wide.set(name), narrow.set(name))
    if name == "attrs":
        return wide.matchers[name].value == theirs.value
    return bool(narrow.texts(name)) and narrow.set(name) <= wide.set(name)


def _folded(texts: Sequence[str]) -> frozenset[str]:
    return frozenset(text.strip().lower() for text in texts)


def _all_ports(ranges: Sequence[tuple[int, int]]) -> bool:
    return any(low == 0 and high == 65535 for low, high in ranges)


def _covers_ports(wide: Rule, narrow: Rule, name: str) -> bool:
    if name != "port":
        return _same(wide.matchers[name], narrow.matchers[name])
    if wide.ports is None or narrow.ports is None:
        return _same(wide.matchers[name], narrow.matchers[name])
    merged: list[tuple[int, int]] = []
    for low, high in sorted(wide.ports):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return all(any(low <= first and last <= high for low, high in merged) for first, last in narrow.ports)


def _same(one: Node, other: Node) -> bool:
    return bool(one.value == other.value)


def _cover_domains(wide: Rule, narrow: Rule) -> bool:
    texts = wide.set("domain")
    pairs = zip(narrow.texts("domain"), narrow.domains, strict=True)
    return bool(narrow.domains) and all(text in texts or (entry is not None and wide.names.cover(entry)) for text, entry in pairs)


def _cover_addresses(wide: frozenset[str], narrow: frozenset[str]) -> bool:
    if any("!" in text for text in narrow):  # negated entries narrow each other, so only the same ones will do
        return narrow == wide
    missing = narrow - wide
    if not narrow or len(missing) * len(wide) > MAX_COMPARED_ADDRESSES:
        return False
    return all(any(_is_block_in(text, other) for other in wide) for text in missing)


@lru_cache(maxsize=8192)
def _is_block_in(narrow: str, wide: str) -> bool:
    """Whether one block is inside the other; negated entries and lists are not looked into."""
    try:
        if parse_address(narrow).is_negated or parse_address(wide).is_negated:
            return False
        inner, outer = ip_network(narrow, strict=False), ip_network(wide, strict=False)
    except ValueError:
        return False
    if inner.version != outer.version:
        return False
    return int(outer.network_address) <= int(inner.network_address) and int(inner.broadcast_address) <= int(
        outer.broadcast_address
    )
