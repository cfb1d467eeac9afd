"""The keys that mean something in each kind of object: those of the cores, and those that our own models read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from pydantic import AliasChoices, BaseModel

from proxycore.document.balancers import BalancerShape
from proxycore.document.dns import DnsShape, ServerShape
from proxycore.document.inbound import InboundShape
from proxycore.document.lint.tree import Node
from proxycore.document.log import Log
from proxycore.document.observatory import BurstShape, ObservatoryShape
from proxycore.document.outbound import Mux, OutboundShape
from proxycore.document.policy import LevelShape, PolicyShape, SystemShape
from proxycore.document.reverse import BridgeShape, PortalShape, ReverseShape
from proxycore.document.root import RootShape
from proxycore.document.routing import RoutingShape, RuleShape
from proxycore.document.sniffing import Sniffing

_TABLES: Final[dict[str, tuple[type[BaseModel] | None, str]]] = {
    "root": (
        RootShape,
        "log env api dns routing policy inbounds outbounds transport stats reverse fakeDns metrics observatory "
        "burstObservatory version geodata inbound outbound inboundDetour outboundDetour port",
    ),
    "inbound": (InboundShape, "tag listen port protocol settings streamSettings sniffing allocate"),
    "outbound": (OutboundShape, "tag sendThrough protocol settings streamSettings proxySettings mux targetStrategy"),
    "routing": (RoutingShape, "domainStrategy domainMatcher rules balancers settings strategy"),
    "rule": (
        RuleShape,
        "type ruleTag domainMatcher outboundTag balancerTag inboundTag domain domains ip port network source sourceIP "
        "sourcePort localIP localPort user protocol attrs process localOS vlessRoute webhook",
    ),
    "balancer": (BalancerShape, "tag selector strategy fallbackTag"),
    "reverse": (ReverseShape, "bridges portals"),
    "bridge": (BridgeShape, "tag domain"),
    "portal": (PortalShape, "tag domain"),
    "mux": (Mux, "enabled concurrency xudpConcurrency xudpProxyUDP443"),
    "sniffing": (Sniffing, "enabled destOverride domainsExcluded ipsExcluded metadataOnly routeOnly"),
    "observatory": (ObservatoryShape, "subjectSelector probeURL probeInterval enableConcurrency"),
    "burstObservatory": (BurstShape, "subjectSelector pingConfig"),
    "dns": (
        DnsShape,
        "servers hosts clientIp tag queryStrategy disableCache serveStale serveExpiredTTL disableFallback "
        "disableFallbackIfMatch enableParallelQuery useSystemHosts",
    ),
    "dnsServer": (
        ServerShape,
        "address clientIp port skipFallback domains expectedIPs expectIPs queryStrategy tag timeoutMs disableCache serveStale "
        "serveExpiredTTL finalQuery unexpectedIPs",
    ),
    "policy": (PolicyShape, "levels system"),
    "policyLevel": (
        LevelShape,
        "handshake connIdle uplinkOnly downlinkOnly bufferSize statsUserUplink statsUserDownlink statsUserOnline",
    ),
    "policySystem": (SystemShape, "statsInboundUplink statsInboundDownlink statsOutboundUplink statsOutboundDownlink"),
    "log": (Log, "access error loglevel dnsLog maskAddress"),
}


@cache
def keys_of(kind: str) -> tuple[str, ...]:
    """The keys that an object of this kind can have."""
    model, names = _TABLES[kind]
    return tuple(dict.fromkeys((*names.split(), *(_of_model(model) if model is not None else ()))))


def _of_model(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            yield from (choice for choice in alias.choices if isinstance(choice, str))
        else:
            yield alias if isinstance(alias, str) else name
    yield from getattr(model, "not_run", {})
    yield from getattr(model, "no_effect", {})


def objects(root: Node) -> Iterator[tuple[str, Node]]:
    """Every object of a document whose keys are known, with its kind."""
    yield "root", root
    routing, reverse = root.get("routing"), root.get("reverse")
    single = [("routing", routing), ("reverse", reverse), ("dns", root.get("dns"))]
    policy = root.get("policy")
    single += [("policy", policy), ("policySystem", policy.get("system")), ("log", root.get("log"))]
    single += [(name, root.get(name)) for name in ("observatory", "burstObservatory")]
    lists: Iterable[tuple[str, Node]] = (
        ("rule", routing.get("rules")),
        ("balancer", routing.get("balancers")),
        ("bridge", reverse.get("bridges")),
        ("portal", reverse.get("portals")),
        ("dnsServer", root.get("dns").get("servers")),
        ("inbound", root.get("inbounds")),
        ("outbound", root.get("outbounds")),
    )
    single += [("policyLevel", level) for _, level in policy.get("levels").fields()]
    yield from single
    for kind, listed in lists:
        for item in listed.items():
            yield kind, item
            if kind == "inbound":
                yield "sniffing", item.get("sniffing")
            elif kind == "outbound":
                yield "mux", item.get("mux")
