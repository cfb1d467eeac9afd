"""The names of an instance, from what its document says."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from proxycore.destination import Destination, IPAddress, Network, Request
from proxycore.dns.address import DNS_PORT, HTTPS_PORT
from proxycore.dns.answer import BOTH, Families, Told, tell_nobody
from proxycore.dns.cache import Cache
from proxycore.dns.dispatched import DispatchedDial
from proxycore.dns.dns import AddressFilter, Dns, Habits, Listed
from proxycore.dns.exchange import DatagramsThenStream, Exchange, Line, LineExchange
from proxycore.dns.hosts import HostEntry, Hosts, system_entries
from proxycore.dns.links import Link, PacketLink, StreamLink
from proxycore.dns.routes import reachable_families
from proxycore.dns.server import RemoteServer, Server, SystemServer
from proxycore.errors import ConfigError
from proxycore.net.resolve import Resolve
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import Dial, Dispatcher
from proxycore.routing.addresses import AddressCondition
from proxycore.routing.domains import DomainCondition, parse_domain
from proxycore.stream import Stream

if TYPE_CHECKING:
    from proxycore.document.dns import DnsSection, DnsShape, ServerShape
    from proxycore.transport.tls import TlsClient

LOCAL_NAMES = (
    "regexp:^[^.]+$", "domain:local", "domain:localdomain", "domain:localhost", "domain:lan", "domain:home.arpa",
    "domain:example", "domain:invalid", "domain:test",
)
"""What `localhost` is asked first, as in Xray: names that only the system's resolver can know."""

_HTTPS_ALPN = ("http/1.1",)


@dataclass(frozen=True, slots=True)
class Ways:
    """What questions leave by. `dial` makes connections of this host itself; `system` is its resolver; `tell` hears what
    became of questions."""

    loop: asyncio.AbstractEventLoop
    wheel: Wheel
    dispatcher: Dispatcher
    dial: Dial
    system: Resolve
    tell: Told = tell_nobody


def build_dns(section: DnsSection | None, around: Ways) -> Dns:
    """Without a section: the system's resolver alone. Raises: ConfigError."""
    if section is None:
        return Dns(Hosts(()), [Listed(SystemServer(around.system))], Habits(), around.system, lambda: BOTH)
    shape = section.shape
    default_tag = shape.tag or f"xrev.system.{uuid.uuid4()}"        # one that no rule asks for
    servers = [
        _listed(entry, shape, default_tag, f"dns.servers[{number}]", around) for number, entry in enumerate(section.servers)
    ]
    habits = Habits(
        families=_families(shape.query_strategy),
        has_system_families=shape.query_strategy == "system",
        has_fallback=not shape.disable_fallback,
        has_fallback_after_match=not shape.disable_fallback_if_match,
        is_parallel=shape.enable_parallel_query,
    )
    tags = [entry.tag or default_tag for entry in section.servers]
    return Dns(
        Hosts([*shape.host_entries(), *_system_hosts(shape)]), servers or [Listed(SystemServer(around.system))], habits,
        around.system, lru_cache(maxsize=1)(reachable_families), tags)


def _system_hosts(shape: DnsShape) -> list[HostEntry]:
    if not shape.use_system_hosts:
        return []
    try:
        return system_entries()
    except OSError as error:
        raise ConfigError("dns.useSystemHosts", f"the system's hosts cannot be read: {error.strerror}") from None


def _families(strategy: str) -> Families:
    return Families(strategy != "ipv6", strategy != "ipv4")


def _listed(entry: ServerShape, shape: DnsShape, default_tag: str, path: str, around: Ways) -> Listed:
    is_system = entry.address.way == "localhost"
    domains = [DomainCondition(entry.domains)] if entry.domains else []
    if is_system:
        domains.append(DomainCondition([parse_domain(text) for text in LOCAL_NAMES]))
    server: Server = SystemServer(around.system) if is_system else _remote(entry, shape, entry.tag or default_tag, path, around)
    return Listed(
        server=server,
        domains=tuple(domains),
        filters=tuple(_filters(entry)),
        families=_families(entry.query_strategy) & _families(shape.query_strategy),
        has_system_families=entry.query_strategy == "system",
        skips_fallback=entry.skip_fallback,
        is_final=entry.final_query,
        group=entry.group,
    )


def _filters(entry: ServerShape) -> Iterator[AddressFilter]:
    """In the order in which they apply: what decides, then what only prefers."""
    found = []
    for listed, is_expected in ((entry.expected_ips, True), (entry.unexpected_ips, False)):
        blocks = [one for one in listed if not isinstance(one, str)]
        if blocks:
            found.append(AddressFilter(AddressCondition("destination", blocks), is_expected, len(blocks) < len(listed)))
    yield from sorted(found, key=lambda one: one.prefers)


def _remote(entry: ServerShape, shape: DnsShape, tag: str, path: str, around: Ways) -> RemoteServer:
    cache = None
    if not (shape.disable_cache if entry.disable_cache is None else entry.disable_cache):
        is_stale_served = shape.serve_stale if entry.serve_stale is None else entry.serve_stale
        stale_s = shape.serve_expired_ttl if entry.serve_expired_ttl is None else entry.serve_expired_ttl
        cache = Cache(stale_s if is_stale_served else None)
    exchange = _exchange(entry, entry.client_ip or shape.client_ip, tag, path, around)
    return RemoteServer(entry.address.text, exchange, cache, around.loop.time, entry.timeout_s, around.tell)


def _exchange(entry: ServerShape, subnet: IPAddress | None, tag: str, path: str, around: Ways) -> Exchange:
    address = entry.address
    dial: Dial = around.dial if address.is_local else DispatchedDial(around.dispatcher, tag, around.loop.call_soon)

    def target(network: Network, default_port: int) -> Destination:
        return Destination(network, address.host, address.port or entry.port or default_port)

    if address.way == "https":
        from proxycore.dns.https import HttpsExchange  # the code of TLS takes long to import
        from proxycore.transport.tls import TlsClient
        from proxycore.transport.tls_settings import TlsSettings

        server = target("tcp", HTTPS_PORT)
        tls = TlsClient(TlsSettings(), path, around.wheel, _HTTPS_ALPN)
        return HttpsExchange(
            around.loop, server, address.authority, address.path, partial(_open_tls, dial, tls, server), subnet)
    server = target("tcp", DNS_PORT)
    random: Random = SystemRandom()
    stream = LineExchange(around.loop, random, server, partial(_open_stream, dial, server), subnet, is_datagrams=False)
    if address.way == "tcp":
        return stream
    server = target("udp", DNS_PORT)
    open_flow = partial(_open_flow, around.dispatcher, Request(server, tag, keeps_name=True))
    return DatagramsThenStream(LineExchange(around.loop, random, server, open_flow, subnet, is_datagrams=True), stream)


def _open_tls(dial: Dial, tls: TlsClient, server: Destination) -> Stream:
    return tls.wrap(dial(server), server)


def _open_stream(dial: Dial, server: Destination, line: Line) -> Link:
    link = StreamLink(line)
    out = dial(server)
    out.peer, link.peer = link, out
    return link


def _open_flow(dispatcher: Dispatcher, request: Request, line: Line) -> Link:
    link = PacketLink(line)
    dispatcher.dispatch_packets(request, link)
    return link
