"""The names of an instance: fixed ones first, then the servers in the order that fits the name.

Source: Xray-core app/dns/dns.go, app/dns/nameserver.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from proxycore import tasks
from proxycore.destination import Destination, IPAddress, Request
from proxycore.dns.answer import BOTH, Answer, Families, Rcode
from proxycore.dns.hosts import Hosts
from proxycore.dns.server import Server
from proxycore.errors import DialError, ProxyError
from proxycore.net.resolve import MAX_ADDRESSES, Resolve, Strategy, by_strategy
from proxycore.routing.addresses import AddressCondition
from proxycore.routing.domains import DomainCondition

MAX_LOOKUPS = 1024
"""Under way at once; one more fails at once."""

_FIRST_THEN = {
    "ip": (BOTH,),
    "ipv4": (Families(True, False),),
    "ipv6": (Families(False, True),),
    "ipv4v6": (Families(True, False), Families(False, True)),
    "ipv6v4": (Families(False, True), Families(True, False)),
}

_is_asking: ContextVar[bool] = ContextVar("_is_asking", default=False)
"""Whether what runs is on its way to a server: then the names of servers cannot be asked of servers."""

_log = logging.getLogger("xrev.dns")


@dataclass(frozen=True, slots=True)
class AddressFilter:
    """Which addresses of an answer count. `prefers`: if none of them fits, they are taken all the same."""

    condition: AddressCondition
    is_expected: bool           # else: what fits is left out
    prefers: bool

    def apply(self, addresses: Sequence[IPAddress]) -> tuple[IPAddress, ...]:
        fits = self.condition.holds
        chosen = tuple(ip for ip in addresses if fits(Request(Destination("udp", ip, 0), "")) == self.is_expected)
        return chosen if chosen or not self.prefers else tuple(addresses)


@dataclass(frozen=True, slots=True)
class Listed:
    """A server as the document lists it. Servers next to each other with the same `group` are raced, where it is asked
    for that all be asked at once."""

    server: Server
    domains: tuple[DomainCondition, ...] = ()
    filters: tuple[AddressFilter, ...] = ()
    families: Families = BOTH
    has_system_families: bool = False
    skips_fallback: bool = False
    is_final: bool = False
    group: object = None

    def fits(self, name: str) -> bool:
        return any(condition.find(name) is not None for condition in self.domains)


@dataclass(frozen=True, slots=True)
class Habits:
    """What the section says of all lookups."""

    families: Families = BOTH
    has_system_families: bool = False
    has_fallback: bool = True
    has_fallback_after_match: bool = True
    is_parallel: bool = False


class Dns:
    """Looks names up. `tags` are the inbound tags that questions to servers are routed with."""

    __slots__ = ("_habits", "_hosts", "_reachable", "_servers", "_system", "_under_way", "tags")

    def __init__(
        self,
        hosts: Hosts,
        servers: Sequence[Listed],
        habits: Habits,
        system: Resolve,
        reachable: Callable[[], Families],
        tags: Iterable[str] = (),
    ) -> None:
        """`servers`: at least one. `reachable`: the families that this host has a route for."""
        self._hosts = hosts
        self._servers = tuple(servers)
        self._habits = habits
        self._system = system
        self._reachable = reachable
        self._under_way = 0
        self.tags = frozenset(tags)

    def is_own(self, request: Request) -> bool:
        """Whether this is one of our own questions to a server."""
        return request.inbound_tag in self.tags

    async def resolve(self, host: str, strategy: Strategy) -> Sequence[IPAddress]:
        """As net.resolve.Resolve says."""
        if strategy is Strategy.AS_IS:
            return await self._system(host, strategy)
        for families in _FIRST_THEN[strategy.removeprefix("use").removeprefix("force")]:
            try:
                found = (await self.lookup(host, families)).addresses
            except ProxyError as error:
                _log.info("%s", error)
                continue
            if found:
                return by_strategy(found, strategy)[:MAX_ADDRESSES]
        if strategy.startswith("force"):
            raise DialError(host, f"the DNS servers know no address that {strategy} allows")
        return await self._system(host, strategy)

    async def lookup(self, host: str, families: Families) -> Answer:
        """Raises: ProxyError, the servers cannot tell."""
        name = host.lower().removesuffix(".")
        families &= self._reachable() if self._habits.has_system_families else self._habits.families
        if not name or not families.any:
            return Answer((), 0)
        fixed = self._hosts.find(name, families)
        if isinstance(fixed, Answer):
            return fixed
        if fixed is not None:
            name = fixed.lower().removesuffix(".")
        if _is_asking.get():
            return _of_families(await self._system(name, Strategy.AS_IS), families)
        if self._under_way >= MAX_LOOKUPS:
            raise DialError(host, "too many name lookups are under way")
        self._under_way += 1
        token = _is_asking.set(True)
        try:
            servers = self._in_order(name)
            found = await (self._all_at_once if self._habits.is_parallel else self._one_by_one)(servers, name, families)
        finally:
            _is_asking.reset(token)
            self._under_way -= 1
        return found

    def close(self) -> None:
        for listed in self._servers:
            listed.server.close()

    def _in_order(self, name: str) -> list[Listed]:
        """Those whose domains fit, then the others."""
        order: list[Listed] = []
        for listed in self._servers:
            if listed.fits(name):
                order.append(listed)
                if listed.is_final:
                    return order
        habits = self._habits
        if habits.has_fallback and (habits.has_fallback_after_match or not order):
            for listed in self._servers:
                if not listed.skips_fallback and listed not in order:
                    order.append(listed)
                    if listed.is_final:
                        return order
        return order or [self._servers[0]]

    async def _one_by_one(self, servers: Sequence[Listed], name: str, families: Families) -> Answer:
        outcomes: list[Answer | ProxyError] = []
        for listed in servers:
            outcome = await self._ask(listed, name, families)
            if isinstance(outcome, Answer) and outcome.addresses:
                return outcome
            outcomes.append(outcome)
        return _conclusion(outcomes)

    async def _all_at_once(self, servers: Sequence[Listed], name: str, families: Families) -> Answer:
        """All are asked; the quickest of the first group that finds something counts."""
        asked = [tasks.spawn(f"look up {name}", self._ask(listed, name, families)) for listed in servers]
        outcomes: list[Answer | ProxyError] = []
        begin = 0
        while begin < len(servers):
            end = begin + 1
            while end < len(servers) and servers[end].group == servers[begin].group:
                end += 1
            async for outcome in _as_they_come(asked[begin:end]):
                if isinstance(outcome, Answer) and outcome.addresses:
                    return outcome
                outcomes.append(outcome)
            begin = end
        return _conclusion(outcomes)

    async def _ask(self, listed: Listed, name: str, families: Families) -> Answer | ProxyError:
        families &= self._reachable() if listed.has_system_families else listed.families
        if not families.any:
            return Answer((), 0)
        try:
            answer = await listed.server.lookup(name, families)
        except ProxyError as error:
            return error
        addresses = answer.addresses
        for chosen in listed.filters:
            addresses = chosen.apply(addresses)
        return answer._replace(addresses=addresses)


async def _as_they_come(asked: Iterable[asyncio.Task[Answer | ProxyError]]) -> AsyncIterator[Answer | ProxyError]:
    pending = set(asked)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            yield task.result()


def _of_families(addresses: Sequence[IPAddress], families: Families) -> Answer:
    return Answer(tuple(ip for ip in addresses if (families.v4 if ip.version == 4 else families.v6)), 1)


def _conclusion(outcomes: Sequence[Answer | ProxyError]) -> Answer:
    """What is said when nobody found an address: what the servers that answered agree on. Raises: ProxyError."""
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    if not answers:
        raise next(outcome for outcome in outcomes if isinstance(outcome, ProxyError))
    codes = {answer.rcode for answer in answers}
    rcode = codes.pop() if len(codes) == 1 else Rcode.SERVER_FAILURE
    return Answer((), min(answer.ttl_s for answer in answers), rcode)
