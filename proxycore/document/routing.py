"""The `routing` section and its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AliasChoices, Field, PlainValidator

from proxycore.document.entries import Addresses, Domains
from proxycore.document.inbound import PortList
from proxycore.document.nearest import did_you_mean
from proxycore.document.shape import Shape
from proxycore.document.words import Split, Text, one_of, parsed
from proxycore.routing.addresses import AddressCondition, AddressItem
from proxycore.routing.condition import Condition
from proxycore.routing.domains import DomainCondition
from proxycore.routing.patterns import Pattern
from proxycore.routing.ports import PortCondition, PortRange
from proxycore.routing.router import DomainStrategy
from proxycore.routing.rule import InboundTagCondition, NetworkCondition, Rule, UserCondition, UserEntry, parse_user
from proxycore.routing.seen import AttributesCondition, LocalOsCondition, ProtocolCondition, VlessRouteCondition

_STRATEGIES: dict[str, DomainStrategy] = {
    "asis": "AsIs", "ipifnonmatch": "IPIfNonMatch", "ipondemand": "IPOnDemand", "": "AsIs",
}
_NETWORKS = ("tcp", "udp", "unix")
_NOT_RUN = "is known to Xray, not run by this version"


def _network(text: str) -> str:
    name = text.lower()
    if name not in _NETWORKS:
        hint = did_you_mean(name, _NETWORKS)
        raise ValueError(f'"{text[:40]}" is no network' + (f"; {hint}" if hint else ""))
    return name


def _networks(value: object) -> list[str]:
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError('a list, or text such as "tcp,udp", is expected')
    return [_network(part) for part in parts]


def _rule_type(value: object) -> str:
    if not isinstance(value, str) or value.lower() != "field":
        raise ValueError('the only kind of rule is "field"')
    return value


def _attributes(value: object) -> dict[str, Pattern]:
    if isinstance(value, str):
        raise ValueError("the text of V2Ray is not read; write an object of names and patterns, as Xray has it")
    if not isinstance(value, dict) or not all(isinstance(pattern, str) for pattern in value.values()):
        raise ValueError("an object of names and patterns is expected")
    patterns = {}
    for name, pattern in value.items():
        try:
            patterns[name] = Pattern(pattern)
        except ValueError as error:
            raise ValueError(f'"{name[:40]}": {error}') from None
    return patterns


Users = Annotated[list[Annotated[UserEntry, parsed(parse_user)]], Split]
Tags = Annotated[list[Text], Split]


class RuleShape(Shape):
    type: Annotated[str, PlainValidator(_rule_type)] = "field"          # V2Ray wants it in every rule
    domain_matcher: Any = None                                          # a choice of algorithm, which is ours to make
    rule_tag: str = ""
    outbound_tag: str = ""
    balancer_tag: str = ""                                              # counts where there is no outbound_tag
    inbound_tag: Tags = Field(default_factory=list)
    domain: Domains = Field(default_factory=list, validation_alias=AliasChoices("domains", "domain"))
    ip: Addresses = Field(default_factory=list)
    port: PortList = ()
    network: Annotated[list[str], PlainValidator(_networks)] = Field(default_factory=list)
    source: Addresses = Field(default_factory=list, validation_alias=AliasChoices("sourceIP", "source"))
    source_port: PortList = ()
    local_ip: Addresses = Field(default_factory=list, validation_alias="localIP")
    local_port: PortList = ()
    user: Users = Field(default_factory=list)
    protocol: Tags = Field(default_factory=list)
    attrs: Annotated[dict[str, Pattern], PlainValidator(_attributes)] = Field(default_factory=dict)
    vless_route: PortList = ()
    local_os: Tags = Field(default_factory=list, validation_alias="localOS")
    process: Tags = Field(default_factory=list)

    not_run: ClassVar[Mapping[str, str]] = {
        "webhook": _NOT_RUN,
    }

    def conditions(self) -> tuple[Condition, ...]:
        """The matchers that are given, the cheapest first. An empty list is as if it were absent."""
        found: list[Condition] = []
        if self.local_os:
            found.append(LocalOsCondition(self.local_os))
        if self.inbound_tag:
            found.append(InboundTagCondition(self.inbound_tag))
        if self.network:
            found.append(NetworkCondition(self.network))
        found += _ports(("destination", self.port), ("source", self.source_port), ("local", self.local_port))
        if self.protocol:
            found.append(ProtocolCondition(self.protocol))
        if self.vless_route:
            found.append(VlessRouteCondition(self.vless_route))
        if self.user:
            found.append(UserCondition(self.user))
        if self.attrs:
            found.append(AttributesCondition(self.attrs))
        found += _addresses(("destination", self.ip), ("source", self.source), ("local", self.local_ip))
        if self.domain:
            found.append(DomainCondition(self.domain))
        if self.process:
            from proxycore.routing.processes import ProcessCondition  # few documents have one

            found.append(ProcessCondition(self.process))
        return tuple(found)

    def rule(self, path: str) -> Rule:
        """The compiled rule; `path` is its label if it has no tag."""
        balancer_tag = "" if self.outbound_tag else self.balancer_tag
        return Rule(self.rule_tag or path, self.outbound_tag, self.conditions(), balancer_tag)


_Side: TypeAlias = Literal["destination", "source", "local"]


def _ports(*sides: tuple[_Side, Sequence[PortRange]]) -> list[Condition]:
    return [PortCondition(side, ranges) for side, ranges in sides if ranges]


def _addresses(*sides: tuple[_Side, Sequence[AddressItem]]) -> list[Condition]:
    return [AddressCondition(side, entries) for side, entries in sides if entries]


class RoutingShape(Shape):
    """Its rules and balancers are read one by one, so that one that is wrong does not hide the others."""

    domain_strategy: Annotated[DomainStrategy, PlainValidator(one_of(_STRATEGIES))] = "AsIs"
    domain_matcher: Any = None
    rules: list[Any] = Field(default_factory=list)
    balancers: list[Any] = Field(default_factory=list)

    not_run: ClassVar[Mapping[str, str]] = {
        "settings": "the form of V2Ray 2 and 3 is not read; move what is in it one level up",
        "strategy": "the form of V2Ray 2 and 3 is not read; leave it out",
    }
