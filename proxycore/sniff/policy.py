"""What an inbound does with a name that was found: the `sniffing` object, compiled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from proxycore.destination import Request, parse_host
from proxycore.routing.addresses import AddressCondition, AddressItem
from proxycore.routing.domain_set import DomainItem
from proxycore.routing.domains import DomainCondition
from proxycore.sniff.verdict import Sniffed


class SniffPolicy:
    """`overrides`: http, tls, quic. Names of other protocols, and excluded ones, change nothing but `protocol` rules."""

    __slots__ = ("_domains", "_given", "_ips", "overrides", "route_only")

    def __init__(
        self,
        overrides: Iterable[str],
        domains_excluded: Sequence[DomainItem] = (),
        ips_excluded: Sequence[AddressItem] = (),
        *,
        route_only: bool = False,
    ) -> None:
        """`ips_excluded`: destinations that are kept as they are. `route_only`: only the rules see the name."""
        self.overrides = tuple(dict.fromkeys(overrides))
        self.route_only = route_only
        self._given = (self.overrides, tuple(domains_excluded), tuple(ips_excluded), route_only)
        self._domains = DomainCondition(domains_excluded) if domains_excluded else None
        self._ips = AddressCondition("destination", ips_excluded) if ips_excluded else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SniffPolicy) and self._given == other._given

    def __hash__(self) -> int:
        return hash(self._given)

    def apply(self, request: Request, found: Sniffed) -> Request:
        """The request as the router is to see it."""
        request = request._replace(protocol=found.protocol, attributes=found.attributes)
        if not self._takes(request, found):
            return request
        host = parse_host(found.domain)
        if not self.route_only:
            return request._replace(destination=request.destination._replace(host=host))
        return request._replace(route_domain=host) if isinstance(host, str) else request

    def _takes(self, request: Request, found: Sniffed) -> bool:
        if not found.domain or not found.protocol.startswith(self.overrides):
            return False
        if self._domains is not None and self._domains.find(found.domain.lower()) is not None:
            return False
        host = request.destination.host
        return self._ips is None or isinstance(host, str) or not self._ips.fits(host)
