"""A document that was read: what the runtime is built from.

`path` of a part is its place in the whole document (`inbounds[0]`); `LoadedDocument.problem_at` turns it, with
whatever follows it, into file, line and column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxycore.destination import IPAddress
from proxycore.document.log import Log
from proxycore.document.outbound import Mux
from proxycore.document.places import parse_path
from proxycore.document.problems import Problem
from proxycore.document.report import Report
from proxycore.document.reverse import Dialect, PickingShape
from proxycore.document.stream_settings import PLAIN, StreamSettings
from proxycore.net.resolve import Strategy
from proxycore.net.unix import UnixAddress
from proxycore.protocols.base import InboundSide, OutboundSide, ProtocolSpec, Settings
from proxycore.routing.ports import PortRange
from proxycore.routing.router import DomainStrategy, Router
from proxycore.routing.rule import Rule

if TYPE_CHECKING:
    from proxycore.balancing.balancer import BalancerPlan
    from proxycore.document.dns import DnsSection
    from proxycore.observatory.settings import Observed
    from proxycore.policy import PolicyValues
    from proxycore.sniff.policy import SniffPolicy


@dataclass(frozen=True, slots=True)
class Inbound:
    """Listens on every port of `ports` (0 is not among them). `listen` None: all addresses, IPv4 and IPv6; with a unix
    socket there are no ports."""

    path: str
    tag: str
    listen: IPAddress | UnixAddress | None
    ports: tuple[PortRange, ...]
    spec: ProtocolSpec
    side: InboundSide
    settings: Settings
    stream: StreamSettings = PLAIN
    sniffing: SniffPolicy | None = None


@dataclass(frozen=True, slots=True)
class Outbound:
    """`send_through`: as `read_send_through` returns it; `proxy_tag`: the outbound that it dials through, or empty."""

    path: str
    tag: str
    spec: ProtocolSpec
    side: OutboundSide
    settings: Settings
    mux: Mux
    stream: StreamSettings = PLAIN
    send_through: str = ""
    proxy_tag: str = ""
    target_strategy: Strategy = Strategy.AS_IS


@dataclass(frozen=True, slots=True)
class Bridge:
    path: str
    tag: str
    domain: str
    stall_timeout_s: int        # 0: never


@dataclass(frozen=True, slots=True)
class Portal:
    path: str
    tag: str
    domain: str
    dialect: Dialect
    picking: PickingShape
    stall_timeout_s: int        # 0: never


@dataclass(frozen=True, slots=True)
class Document:
    """Where a section is absent, its defaults: without `log` there is no access log, unlike with `"log": {}`."""

    log: Log
    inbounds: tuple[Inbound, ...]
    outbounds: tuple[Outbound, ...]
    rules: tuple[Rule, ...]
    bridges: tuple[Bridge, ...]
    portals: tuple[Portal, ...]
    balancers: tuple[BalancerPlan, ...] = ()
    observed: Observed | None = None        # what the observatory does, of either kind
    dns: DnsSection | None = None
    domain_strategy: DomainStrategy = "AsIs"
    policy: PolicyValues | None = None
    exports_stats: bool = False

    @property
    def default_tag(self) -> str | None:
        """The tag (perhaps empty) of the outbound for what no rule matches; None: there is none."""
        if self.outbounds:
            return self.outbounds[0].tag
        return self.portals[0].tag if self.portals else None

    def router(self) -> Router:
        return Router.compile(self.rules, self.default_tag, self.domain_strategy)


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """`sections`: the document as it was written, merged where it was several; only to be compared."""

    document: Document
    warnings: list[Problem]
    _problem: Callable[[str, str], Problem]
    sections: Mapping[str, object]

    @property
    def log(self) -> Log:
        return self.document.log

    def problem_at(self, path: str, message: str) -> Problem:
        """An error at `path` (of a ConfigError), with its file, line and column."""
        return self._problem(path, message)


def problem_maker(report: Report) -> Callable[[str, str], Problem]:
    """What `LoadedDocument.problem_at` does, for the origins that `report` knows."""
    return lambda path, message: report.problem("error", parse_path(path), message)
