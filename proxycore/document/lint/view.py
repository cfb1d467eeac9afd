"""A document as the rules of the linter see it: its entries by kind, read leniently, each with its place.

Anything may be missing or of a wrong type here; what another core knows and this version does not run is read as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxycore.document.lint.cores import Core
from proxycore.document.lint.matching import Rule, read_rule
from proxycore.document.lint.reach import is_public_listen
from proxycore.document.lint.spans import Source
from proxycore.document.lint.tree import Node, root_of
from proxycore.routing.ports import PortRange, parse_ports

_ALIASES = {"tunnel": "dokodemo-door", "direct": "freedom", "block": "blackhole", "mixed": "socks"}
_PUBLIC_KEY_SECURITY = ("tls", "reality", "xtls")
CLIENT_LISTS = ("clients", "users", "accounts")

# Protocols whose client names the target itself, so that one of them can ask for a portal's domain.
CARRIER_PROTOCOLS = frozenset({"vmess", "vless", "trojan", "shadowsocks", "socks", "http", "hysteria"})


def known_ports(node: Node) -> tuple[PortRange, ...] | None:
    """A port list; None where it is wrong, or depends on the environment."""
    try:
        return parse_ports(node.value, {})
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Client:
    """A user of an inbound, or the identity that an outbound shows."""

    node: Node
    id: str  # or the password; empty: none
    email: str


def _client(node: Node) -> Client:
    return Client(node, node.get("id", "password", "pass").text, node.get("email", "user").text)


def _clients(inbound: Node) -> list[Client]:
    return [_client(entry) for entry in inbound.get("settings").get(*CLIENT_LISTS).items()]


@dataclass(frozen=True, slots=True)
class Inbound:
    node: Node
    tag: str
    written_protocol: str
    protocol: str  # in lower case, an alias replaced by its old name
    clients: list[Client]

    @property
    def settings(self) -> Node:
        return self.node.get("settings")

    @property
    def is_public(self) -> bool:
        return is_public_listen(self.node.get("listen").text)

    @property
    def has_tls(self) -> bool:
        return has_tls(self.node)

    @property
    def needs_no_credential(self) -> bool:
        if self.protocol == "socks":
            return self.settings.get("auth").text.lower() != "password"
        return self.protocol == "http" and not self.clients

    @property
    def can_ask_for_a_domain(self) -> bool:
        return self.protocol in CARRIER_PROTOCOLS

    @property
    def networks(self) -> frozenset[str]:
        """What it listens for on its own port."""
        names = {word.text.strip().lower() for word in self.settings.get("network", "allowedNetwork").words()}
        if self.protocol in ("dokodemo-door", "shadowsocks"):
            return frozenset(names & {"tcp", "udp"}) or frozenset({"tcp"})
        network = self.node.get("streamSettings").get("method", "network").text.lower()
        return frozenset({"udp" if network in ("kcp", "mkcp", "quic", "hysteria") or self.protocol == "wireguard" else "tcp"})

    @property
    def ports(self) -> tuple[PortRange, ...] | None:
        return known_ports(self.node.get("port"))

    @property
    def fixed_target(self) -> tuple[str, int | None] | None:
        """Where everything from here goes, if the document says so."""
        settings = self.settings
        if self.protocol != "dokodemo-door" or settings.get("followRedirect").is_true or settings.get("portMap").is_given:
            return None
        if self.node.get("sniffing").get("enabled").is_true:
            return None
        address = settings.get("address", "rewriteAddress").text
        return (address, settings.get("port", "rewritePort").number) if address else None


@dataclass(frozen=True, slots=True)
class Server:
    """Where an outbound connects to, and who it says it is."""

    node: Node
    host: str
    users: tuple[Client, ...]


@dataclass(frozen=True, slots=True)
class Outbound:
    node: Node
    tag: str
    written_protocol: str
    protocol: str

    @property
    def settings(self) -> Node:
        return self.node.get("settings")

    @property
    def has_tls(self) -> bool:
        return has_tls(self.node)

    @property
    def can_carry(self) -> bool:
        return self.protocol in CARRIER_PROTOCOLS

    @property
    def cannot_carry(self) -> bool:
        """Surely not; `loopback`, and protocols that are not known, may."""
        return self.protocol in ("freedom", "blackhole", "dns")

    @property
    def servers(self) -> list[Server]:
        settings = self.settings
        if settings.get("address").exists:
            return [Server(settings, settings.get("address").text, (_client(settings),))]
        listed = settings.get("vnext", "servers").items()
        return [
            Server(
                entry, entry.get("address").text, tuple(_client(one) for one in entry.get("users").items()) or (_client(entry),)
            )
            for entry in listed
        ]

    @property
    def reverse_tag(self) -> Node:
        """The tag under which requests come out of a VLESS reverse tunnel."""
        return self.settings.get("reverse").get("tag") if self.protocol == "vless" else Node(None, ())


def has_tls(entry: Node) -> bool:
    return entry.get("streamSettings").get("security").text.lower() in _PUBLIC_KEY_SECURITY


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A bridge or a portal."""

    node: Node
    tag: str
    domain: str


@dataclass(frozen=True, slots=True)
class Balancer:
    node: Node
    tag: str
    selector: tuple[str, ...]
    strategy: str  # in lower case


class View:
    """One file."""

    __slots__ = (
        "balancers",
        "bridges",
        "core",
        "file",
        "inbounds",
        "outbounds",
        "portals",
        "reverse_clients",
        "root",
        "routing",
        "rules",
        "source",
    )

    def __init__(self, file: str, source: Source, core: Core | None) -> None:
        self.file = file
        self.source = source
        self.core = core
        self.root = root_of(source.parsed)
        self.routing = self.root.get("routing")
        self.inbounds = [
            Inbound(node, node.get("tag").text, node.get("protocol").text, canonical(node.get("protocol").text), _clients(node))
            for node in self.root.get("inbounds").items()
        ]
        self.outbounds = [
            Outbound(node, node.get("tag").text, node.get("protocol").text, canonical(node.get("protocol").text))
            for node in self.root.get("outbounds").items()
        ]
        self.bridges = self._endpoints("bridges")
        self.portals = self._endpoints("portals")
        self.rules: list[Rule] = [read_rule(node, number) for number, node in enumerate(self.routing.get("rules").items())]
        self.balancers = [
            Balancer(
                node,
                node.get("tag").text,
                tuple(word.text for word in node.get("selector").words()),
                node.get("strategy").get("type").text.lower(),
            )
            for node in self.routing.get("balancers").items()
        ]
        self.reverse_clients = [
            client.node.get("reverse").get("tag")
            for inbound in self.inbounds
            if inbound.protocol == "vless"
            for client in inbound.clients
            if client.node.get("reverse").get("tag").text
        ]

    def _endpoints(self, name: str) -> list[Endpoint]:
        return [
            Endpoint(node, node.get("tag").text, node.get("domain").text) for node in self.root.get("reverse").get(name).items()
        ]

    @property
    def resolves_names(self) -> bool:
        """Whether routing may look up the target's name, so that ip matchers can fit it."""
        return self.routing.get("domainStrategy").text.lower() in ("ipifnonmatch", "ipondemand")

    def inbound_tags(self) -> dict[str, Node]:
        """Every tag that an inboundTag can fit, with the place that gives it."""
        nodes = [*(one.node.get("tag") for one in self.inbounds), *(one.node.get("tag") for one in self.bridges)]
        nodes += [outbound.reverse_tag for outbound in self.outbounds]
        nodes += [one.settings.get("inboundTag") for one in self.outbounds if one.protocol == "loopback"]
        dns = self.root.get("dns")
        nodes += [dns.get("tag"), *(server.get("tag") for server in dns.get("servers").items())]
        nodes += [self.root.get("api").get("tag"), self.root.get("metrics").get("tag")]
        return _first_by_text(nodes)

    def outbound_tags(self) -> dict[str, Node]:
        """Every tag that an outboundTag can name."""
        nodes = [*(one.node.get("tag") for one in self.outbounds), *(one.node.get("tag") for one in self.portals)]
        nodes += [*self.reverse_clients, self.root.get("api").get("tag"), self.root.get("metrics").get("tag")]
        return _first_by_text(nodes)

    def members(self, balancer: Balancer) -> list[str]:
        """The tags of outbounds and portals that the balancer chooses from."""
        return [tag for tag in self.outbound_tags() if tag.startswith(balancer.selector)]

    def emails(self) -> set[str]:
        """What a `user` matcher can fit."""
        return {client.email for inbound in self.inbounds for client in inbound.clients if client.email}


def canonical(protocol: str) -> str:
    name = protocol.strip().lower()
    return _ALIASES.get(name, name)


def _first_by_text(nodes: list[Node]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for node in nodes:
        if node.text:
            found.setdefault(node.text, node)
    return found
