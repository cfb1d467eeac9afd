"""Finds, among very many rules, the few that could match a request.

Each rule is filed under one of its conditions, the most telling one that can be looked up. What a lookup returns may
hold rules that do not match (the router evaluates them), but never misses one that does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from proxycore.destination import Request
from proxycore.routing.addresses import AddressCondition, AddressIndex, addresses_of
from proxycore.routing.condition import Condition, Side
from proxycore.routing.domain_set import DomainItem, DomainSet, SetIndex
from proxycore.routing.domains import DomainCondition, DomainEntry, parents, pieces, rare_grams
from proxycore.routing.ports import PortCondition
from proxycore.routing.rule import InboundTagCondition, Rule, UserCondition

_FILED_PORTS = 64           # a list with more ports than this is not filed port by port
_C = TypeVar("_C", bound=Condition)
_T = TypeVar("_T")


class RuleIndex:
    """`candidates` of a request, as positions in the sequence of rules, rising."""

    __slots__ = ("_addresses", "_always", "_full", "_gram_lengths", "_grams", "_lists", "_ports", "_suffixes", "_tags", "_users")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._full: dict[str, list[int]] = {}
        self._suffixes: dict[str, list[int]] = {}
        self._grams: dict[str, list[int]] = {}
        self._addresses: dict[Side, AddressIndex] = {}
        self._users: dict[str, list[int]] = {}
        self._tags: dict[str, list[int]] = {}
        self._ports: dict[int, list[int]] = {}
        self._always: list[int] = []
        by_keyword: dict[str, list[int]] = {}
        sets: dict[DomainSet, list[int]] = {}
        rest: list[int] = []
        for number, rule in enumerate(rules):
            if not self._file_by_name_or_address(number, rule, by_keyword, sets):
                rest.append(number)
        self._lists = SetIndex(sets) if sets else None
        for one, numbers in sets.items():
            for keyword in one.keywords:
                by_keyword.setdefault(keyword, []).extend(numbers)
        for keyword, gram in rare_grams(by_keyword):
            self._grams.setdefault(gram, []).extend(by_keyword[keyword])
        self._gram_lengths = sorted({len(gram) for gram in self._grams})
        self._file_by_tag_or_port(rest, rules)

    def _file_by_name_or_address(
        self, number: int, rule: Rule, by_keyword: dict[str, list[int]], sets: dict[DomainSet, list[int]]
    ) -> bool:
        domain = _only(rule, DomainCondition)
        if domain is not None and all(_is_fileable(item) for item in domain.items):
            for one in domain.sets:
                sets.setdefault(one, []).append(number)
            by_kind = {"full": self._full, "domain": self._suffixes, "keyword": by_keyword, "dotless": by_keyword}
            for entry in domain.entries:
                by_kind[entry.kind].setdefault(entry.text, []).append(number)
            return True
        for condition in rule.conditions:
            if isinstance(condition, AddressCondition) and not condition.has_negation:
                index = self._addresses.setdefault(condition.side, AddressIndex())
                for block in condition.entries:
                    index.add(block, number)
                return True
        user = _only(rule, UserCondition)
        if user is not None and not user.has_pattern:
            for name in user.exact:
                self._users.setdefault(name, []).append(number)
            return True
        return False

    def _file_by_tag_or_port(self, numbers: Sequence[int], rules: Sequence[Rule]) -> None:
        """File under the tags or the ports, whichever is the rarer; without either the rule is always a candidate."""
        tags: dict[str, list[int]] = {}
        ports: dict[int, list[int]] = {}
        for number in numbers:
            tag, port = _tags_and_ports(rules[number])
            _put(tags, tag, number)
            _put(ports, port, number)
        for number in numbers:
            tag, port = _tags_and_ports(rules[number])
            crowd_of_tag = max((len(tags[name]) for name in tag), default=len(rules) + 1)
            crowd_of_port = max((len(ports[value]) for value in port), default=len(rules) + 1)
            if not tag and not port:
                self._always.append(number)
            elif crowd_of_tag <= crowd_of_port:
                _put(self._tags, tag, number)
            else:
                _put(self._ports, port, number)

    def candidates(self, request: Request) -> Iterator[int]:
        """Rising positions, each once."""
        found = self._found(request)
        if len(found) > 1:
            found = sorted(set(found))
        if not self._always:
            return iter(found)
        return _merged(found, self._always)

    def _found(self, request: Request) -> list[int]:
        destination = request.destination
        found: list[int] = []
        name = request.route_domain or destination.host
        if isinstance(name, str):
            self._find_name(name.lower(), found)
        for side, index in self._addresses.items():
            for address in addresses_of(request, side):
                found += index.find(address)
        if self._users:
            found += self._users.get(request.user, ())
        if self._tags:
            found += self._tags.get(request.inbound_tag, ())
        if self._ports:
            found += self._ports.get(destination.port, ())
        return found

    def _find_name(self, name: str, found: list[int]) -> None:
        if self._full:
            found += self._full.get(name, ())
        if self._suffixes:
            suffixes = self._suffixes
            for parent in parents(name):
                if parent in suffixes:
                    found += suffixes[parent]
        if self._lists is not None:
            self._lists.find(name, found)
        if self._grams:
            grams = self._grams
            for piece in pieces(name, self._gram_lengths):
                if piece in grams:
                    found += grams[piece]


def _is_fileable(item: DomainItem) -> bool:
    if isinstance(item, DomainEntry):
        return item.kind != "regexp" and bool(item.text)
    return True


def _only(rule: Rule, kind: type[_C]) -> _C | None:
    return next((condition for condition in rule.conditions if isinstance(condition, kind)), None)


def _tags_and_ports(rule: Rule) -> tuple[frozenset[str], frozenset[int]]:
    tag = _only(rule, InboundTagCondition)
    ports: frozenset[int] = frozenset()
    for condition in rule.conditions:
        if isinstance(condition, PortCondition) and condition.side == "destination" and condition.width <= _FILED_PORTS:
            ports = frozenset(port for low, high in condition.ranges for port in range(low, high + 1))
    return (tag.tags if tag is not None else frozenset()), ports


def _put(table: dict[_T, list[int]], keys: frozenset[_T], number: int) -> None:
    for key in keys:
        table.setdefault(key, []).append(number)


def _merged(found: list[int], always: list[int]) -> Iterator[int]:
    """Both rising lists as one, lazily: the first rule that matches ends it. No number is in both."""
    position = 0
    for number in always:
        while position < len(found) and found[position] < number:
            yield found[position]
            position += 1
        yield number
    yield from found[position:]
