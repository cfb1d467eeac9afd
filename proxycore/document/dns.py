"""The `dns` section: its servers and fixed names. Source: Xray-core infra/conf/dns.go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import AliasChoices, Field, PlainValidator, ValidationInfo

from proxycore.destination import IPAddress, parse_host
from proxycore.dns.address import ServerAddress, parse_server_address
from proxycore.dns.codec import labels_of
from proxycore.dns.hosts import HostEntry
from proxycore.dns.server import TIMEOUT_S
from proxycore.document.entries import Domains, read_address, read_domain
from proxycore.document.jsonc import Loc
from proxycore.document.report import Report
from proxycore.document.shape import Shape, field_of, read
from proxycore.document.words import Split, one_of
from proxycore.routing.addresses import AddressItem
from proxycore.routing.domain_set import DomainItem

MAX_SERVERS = 256
MAX_TIMEOUT_MS = 60_000
MAX_RCODE = 15
MAX_STALE_S = 2**31 - 1

QueryStrategy: TypeAlias = Literal["ip", "ipv4", "ipv6", "system"]
_STRATEGIES: dict[str, QueryStrategy] = {
    "": "ip", "useip": "ip", "useipv4": "ipv4", "useipv6": "ipv6", "usesystem": "system",
    "useip4": "ipv4", "useip6": "ipv6", "usesys": "system",
}


def _strategy(value: object) -> QueryStrategy:
    plain = value.replace("_", "").replace("-", "") if isinstance(value, str) else value      # use_ip_v4, use-ip4, ...
    return one_of(_STRATEGIES)(plain)


def _client_ip(value: object) -> IPAddress | None:
    if value == "":
        return None
    host = parse_host(value) if isinstance(value, str) else ""
    if isinstance(host, str):
        raise ValueError("an IP address is expected")
    return host


def _address_or_any(value: object, info: ValidationInfo) -> AddressItem | Literal["*"]:
    return "*" if value == "*" else read_address(value, info)


class HostValue(NamedTuple):
    """What a fixed name is: see HostEntry."""

    addresses: tuple[IPAddress, ...] = ()
    alias: str = ""
    rcode: int | None = None


def parse_host_value(value: object) -> HostValue:
    """Read a value of `hosts`: an address, a name, `#` with a response code, or a list of addresses. Raises ValueError."""
    if isinstance(value, str):
        return _host_value(value)
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError("an IP address, a domain name, or a list of IP addresses is expected")
    found = [_host_value(item) for item in value]
    if len(found) > 1 and any(not one.addresses for one in found):
        raise ValueError("a list has IP addresses only; another name stands alone")
    return found[0] if len(found) == 1 else HostValue(tuple(ip for one in found for ip in one.addresses))


def _host_value(text: str) -> HostValue:
    text = text.strip()
    if text.startswith("#"):
        code = text[1:]
        if not (code.isascii() and code.isdigit() and len(code) < 4 and int(code) <= MAX_RCODE):
            raise ValueError(f"a response code is a number from 0 to {MAX_RCODE}, as in #3")
        return HostValue(rcode=int(code))
    host = parse_host(text)
    if not isinstance(host, str):
        return HostValue((host,))
    labels_of(host)
    return HostValue(alias=host)


class HostName(NamedTuple):
    """A key of `hosts`, and the names that fit it."""

    text: str
    domain: DomainItem


def _host_name(value: object, info: ValidationInfo) -> HostName:
    """A domain entry, which is a whole name if it has no prefix."""
    text = str(value)
    return HostName(text, read_domain(text if ":" in text or not text else f"full:{text}", info))


Strategy = Annotated[QueryStrategy, PlainValidator(_strategy)]
ClientIp = Annotated[IPAddress | None, PlainValidator(_client_ip)]
Addresses = Annotated[list[Annotated[AddressItem | Literal["*"], PlainValidator(_address_or_any)]], Split]
StaleSeconds = Annotated[int, Field(ge=0, le=MAX_STALE_S)]


class ServerShape(Shape):
    """An entry of `servers`; one that is text alone is an object with this `address`."""

    address: Annotated[ServerAddress, PlainValidator(parse_server_address)]
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    client_ip: ClientIp = None
    skip_fallback: bool = False
    domains: Domains = Field(default_factory=list)
    expected_ips: Addresses = Field(default_factory=list, validation_alias=AliasChoices("expectedIPs", "expectIPs"))
    unexpected_ips: Addresses = Field(default_factory=list, validation_alias="unexpectedIPs")
    query_strategy: Strategy = "ip"
    tag: str = ""
    timeout_ms: Annotated[int, Field(ge=0, le=MAX_TIMEOUT_MS)] = 0
    disable_cache: bool | None = None           # None: as the section says
    serve_stale: bool | None = None
    serve_expired_ttl: StaleSeconds | None = Field(default=None, validation_alias="serveExpiredTTL")
    final_query: bool = False

    @property
    def timeout_s(self) -> float:
        return self.timeout_ms / 1000 or TIMEOUT_S

    @property
    def group(self) -> object:
        """Servers with the same may take each other's place."""
        lists = (self.domains, self.expected_ips, self.unexpected_ips)
        sorted_lists = tuple(tuple(sorted(map(str, listed))) for listed in lists)
        return (self.client_ip, self.skip_fallback, self.query_strategy, self.tag.lower(), sorted_lists)


class DnsShape(Shape):
    """Its servers are read one by one, so that one that is wrong does not hide the others."""

    servers: list[Any] = Field(default_factory=list, max_length=MAX_SERVERS)
    hosts: dict[
        Annotated[HostName, PlainValidator(_host_name)], Annotated[HostValue, PlainValidator(parse_host_value)]
    ] = Field(default_factory=dict)
    client_ip: ClientIp = None
    tag: str = ""
    query_strategy: Strategy = "ip"
    disable_cache: bool = False
    serve_stale: bool = False
    serve_expired_ttl: StaleSeconds = Field(default=0, validation_alias="serveExpiredTTL")
    disable_fallback: bool = False
    disable_fallback_if_match: bool = False
    enable_parallel_query: bool = False
    use_system_hosts: bool = False

    no_effect: ClassVar[Mapping[str, str]] = {"domainMatcher": "how names are compared is our own choice"}

    def host_entries(self) -> Iterator[HostEntry]:
        for name, value in self.hosts.items():
            yield HostEntry(name.domain, *value)


@dataclass(frozen=True, slots=True)
class DnsSection:
    shape: DnsShape
    servers: tuple[ServerShape, ...]

    @property
    def tags(self) -> list[str]:
        """The tags that questions to servers are routed with, as far as the document names them."""
        return sorted({tag for tag in (self.shape.tag, *(server.tag for server in self.servers)) if tag})


def read_dns(value: object, report: Report, context: Mapping[str, Any]) -> DnsSection | None:
    """The section; None when there were errors, which are in `report` then."""
    shape = read(DnsShape, value, ("dns",), report, context)
    listed = shape.servers if shape is not None else field_of(value, "servers")
    servers = []
    for number, entry in enumerate(listed[:MAX_SERVERS] if isinstance(listed, list) else []):
        loc: Loc = ("dns", "servers", number)
        server = read(ServerShape, {"address": entry} if isinstance(entry, str) else entry, loc, report, context)
        if server is not None:
            servers.append(server)
            _check_server(server, loc, report)
    return DnsSection(shape, tuple(servers)) if shape is not None else None


def _check_server(server: ServerShape, loc: Loc, report: Report) -> None:
    if server.port and server.address.way != "udp":
        report.warn((*loc, "port"), "has no effect: the port is part of the URL", of_key=True)
    if server.address.way == "localhost" and (server.client_ip or server.timeout_ms or server.serve_stale):
        report.warn(loc, "clientIp, timeoutMs and the cache have no effect on the system's resolver")
