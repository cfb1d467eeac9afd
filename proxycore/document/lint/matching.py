"""Rules of the router, read leniently, and which of them a request fits: yes, no, or it depends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final

from proxycore.document.lint.tree import Node
from proxycore.routing.addresses import Blocks, parse_address
from proxycore.routing.domains import DomainEntry, parents, parse_domain
from proxycore.routing.ports import PortRange, parse_ports

MATCHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "inboundTag": ("inboundTag",),
    "domain": ("domains", "domain"),
    "ip": ("ip",),
    "port": ("port",),
    "network": ("network",),
    "source": ("sourceIP", "source"),
    "sourcePort": ("sourcePort",),
    "localIP": ("localIP",),
    "localPort": ("localPort",),
    "user": ("user",),
    "protocol": ("protocol",),
    "attrs": ("attrs",),
    "process": ("process",),
    "localOS": ("localOS",),
    "vlessRoute": ("vlessRoute",),
}
"""Each matcher, with the keys that give it; the first one counts."""

# A request that a bridge makes has no client, so these never fit it.
_OF_CLIENTS = frozenset({"source", "sourcePort", "localIP", "localPort", "user", "protocol", "attrs", "process", "vlessRoute"})


class Names:
    """Domain entries, prepared for asking which others they cover."""

    __slots__ = ("_full", "_keywords", "_others", "_suffixes")

    def __init__(self, entries: Iterable[DomainEntry | None]) -> None:
        known = [entry for entry in entries if entry is not None]
        self._full = frozenset(entry.text for entry in known if entry.kind == "full")
        self._suffixes = frozenset(entry.text for entry in known if entry.kind == "domain")
        self._keywords = tuple(entry.text for entry in known if entry.kind == "keyword")
        self._others = tuple(entry for entry in known if entry.kind in ("dotless", "regexp"))

    def cover(self, entry: DomainEntry) -> bool:
        """Whether every name that fits `entry` surely fits one of these."""
        if entry.kind == "regexp":
            return entry in self._others
        if any(keyword in entry.text for keyword in self._keywords) or entry in self._others:
            return True
        if entry.kind not in ("full", "domain"):
            return False
        if self._suffixes and not self._suffixes.isdisjoint(parents(entry.text)):
            return True
        if entry.kind == "domain":
            return False
        return entry.text in self._full or any(fits_entry(other, entry.text) for other in self._others)


@dataclass(frozen=True, slots=True)
class Rule:
    node: Node
    number: int
    outbound_tag: str
    balancer_tag: str
    matchers: Mapping[str, Node]
    domains: tuple[DomainEntry | None, ...]  # None: a list or an entry that is not known here
    ports: tuple[PortRange, ...] | None  # None: not known
    entries: Mapping[str, tuple[str, ...]]
    """The texts of each matcher that is a list of them."""
    sets: Mapping[str, frozenset[str]]
    names: Names

    @property
    def label(self) -> str:
        name = self.node.get("ruleTag").text
        return f'rule {self.number} ("{name[:40]}")' if name else f"rule {self.number}"

    @property
    def target(self) -> str:
        return self.outbound_tag or self.balancer_tag

    def texts(self, matcher: str) -> tuple[str, ...]:
        return self.entries.get(matcher, ())

    def set(self, matcher: str) -> frozenset[str]:
        return self.sets.get(matcher, frozenset())


def read_rule(node: Node, number: int) -> Rule:
    matchers = {}
    for name, keys in MATCHERS.items():
        given = node.get(*keys)
        if given.is_given:
            matchers[name] = given
    entries = {name: tuple(word.text for word in given.words()) for name, given in matchers.items()}
    sets = {name: frozenset(texts) for name, texts in entries.items()}
    domains = tuple(_domain(text) for text in entries.get("domain", ()))
    ports = _ports(matchers["port"]) if "port" in matchers else ((0, 65535),)
    tags = node.get("outboundTag").text, node.get("balancerTag").text
    return Rule(node, number, *tags, matchers, domains, ports, entries, sets, Names(domains))


def _domain(text: str) -> DomainEntry | None:
    try:
        return parse_domain(text)
    except ValueError:
        return None


def _ports(node: Node) -> tuple[PortRange, ...] | None:
    try:
        return parse_ports(node.value, {})
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Asked:
    """A kind of request. `host`, `port`, `network` None: may be any. `has_client`: somebody sent it, a bridge did not."""

    inbound_tag: str
    host: str | None = None
    port: int | None = None
    network: str | None = None
    has_client: bool = True


def fits(rule: Rule, asked: Asked, *, resolves: bool) -> bool | None:
    """Whether the request takes the rule; None: that depends on what is not known. `resolves`: names may be looked up."""
    answers = [_fits_one(rule, name, asked, resolves) for name in rule.matchers]
    if not answers or False in answers:
        return False  # a rule without matchers does not load
    return None if None in answers else True


def without(rule: Rule, *names: str) -> Rule:
    """The rule as if these matchers were not in it."""
    kept = {name: node for name, node in rule.matchers.items() if name not in names}
    return replace(rule, matchers=kept)


def _fits_one(rule: Rule, name: str, asked: Asked, resolves: bool) -> bool | None:
    if name == "inboundTag":
        return bool(asked.inbound_tag) and asked.inbound_tag in rule.texts(name)
    if name == "domain":
        return _fits_domain(rule, asked.host)
    if name == "ip":
        return _fits_ip(rule, asked.host, resolves)
    if name == "port":
        return _fits_port(rule.ports, asked.port)
    if name == "network":
        return _fits_network(rule, asked.network)
    return None if asked.has_client or name not in _OF_CLIENTS else False


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _fits_domain(rule: Rule, host: str | None) -> bool | None:
    if host is None:
        return None
    if _is_address(host):
        return False
    answers = [None if entry is None else fits_entry(entry, host.lower()) for entry in rule.domains]
    return any_of(answers)


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """True if one is, else None if one is not known."""
    known = list(answers)
    if True in known:
        return True
    return None if None in known else False


def fits_entry(entry: DomainEntry, name: str) -> bool:
    """Whether a name, in lower case, fits."""
    if entry.kind == "full":
        return name == entry.text
    if entry.kind == "domain":
        return name == entry.text or name.endswith("." + entry.text)
    if entry.kind == "keyword":
        return entry.text in name
    if entry.kind == "dotless":
        return "." not in name and entry.text in name
    return entry.pattern is not None and entry.pattern.found_in(name) is not None


def _fits_ip(rule: Rule, host: str | None, resolves: bool) -> bool | None:
    if host is None or not _is_address(host):
        return None if host is None or resolves else False
    address = ip_address(host)
    answers: list[bool | None] = []
    for text in rule.texts("ip"):
        try:
            entry = parse_address(text)
        except ValueError:
            answers.append(None)
            continue
        is_in = Blocks([entry]).contain(address.version, int(address))
        answers.append(None if entry.is_negated else is_in)
    return any_of(answers)


def _fits_port(ports: tuple[PortRange, ...] | None, port: int | None) -> bool | None:
    if ports is None or port is None:
        return None
    return any(low <= port <= high for low, high in ports)


def _fits_network(rule: Rule, network: str | None) -> bool | None:
    names = {text.strip().lower() for text in rule.texts("network")}
    if network is None:
        return True if {"tcp", "udp"} <= names else None
    return network in names
