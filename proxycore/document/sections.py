"""Reads the sections of a document one entry at a time, so that one that is wrong does not hide the others.

The models of sections that few documents have are imported where they are read: making a model takes its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxycore.document.entries import ASSETS
from proxycore.document.inbound import ENVIRON, InboundShape
from proxycore.document.jsonc import Loc
from proxycore.document.listening import listened_ports
from proxycore.document.log import Log
from proxycore.document.model import Bridge, Inbound, Outbound, Portal
from proxycore.document.outbound import OutboundShape
from proxycore.document.places import render_path
from proxycore.document.protocol import find_inbound, find_outbound
from proxycore.document.report import Report
from proxycore.document.reverse import BridgeShape, PortalShape, ReverseShape
from proxycore.document.routing import RoutingShape, RuleShape
from proxycore.document.shape import ModelT, field_of, read
from proxycore.document.stream_settings import PLAIN, check_stream
from proxycore.geodata.assets import Assets
from proxycore.protocols.base import ProtocolSpec, Settings
from proxycore.routing.router import DomainStrategy

if TYPE_CHECKING:
    from proxycore.balancing.balancer import BalancerPlan
    from proxycore.document.dns import DnsSection
    from proxycore.document.observatory import BurstShape, ObservatoryShape
    from proxycore.observatory.settings import Observed
    from proxycore.policy import PolicyValues


@dataclass(slots=True)
class Sections:
    """What could be read of a document; entries with errors are missing. By position in their list."""

    log: Log | None = None
    inbounds: dict[int, Inbound] = field(default_factory=dict)
    outbounds: dict[int, Outbound] = field(default_factory=dict)
    bridges: dict[int, Bridge] = field(default_factory=dict)
    portals: dict[int, Portal] = field(default_factory=dict)
    rules: dict[int, RuleShape] = field(default_factory=dict)
    balancers: dict[int, BalancerPlan] = field(default_factory=dict)
    observatory: ObservatoryShape | None = None
    burst: BurstShape | None = None
    domain_strategy: DomainStrategy = "AsIs"
    dns: DnsSection | None = None
    policy: PolicyValues | None = None
    exports_stats: bool = False
    closed_tags: list[str] = field(default_factory=list)        # that rules may name, of what is not run

    @property
    def observed(self) -> Observed | None:
        """Where there are both observatories, balancers use the simple one, as in Xray."""
        shape = self.observatory or self.burst
        return shape.settings() if shape is not None else None


class SectionReader:
    """Reads the sections of one document; what is wrong goes to the report."""

    __slots__ = ("_context", "_protocols", "_report", "_sections")

    def __init__(
        self, sections: Mapping[str, object], report: Report, protocols: Mapping[str, ProtocolSpec], environ: Mapping[str, str]
    ) -> None:
        self._sections = sections
        self._report = report
        self._protocols = protocols
        self._context = {ENVIRON: environ, ASSETS: Assets(environ)}

    def read(self) -> Sections:
        found = Sections()
        if "log" in self._sections:
            found.log = self._read(Log, self._sections["log"], ("log",))
        for number, entry in self._entries(("inbounds",), self._sections.get("inbounds", [])):
            inbound = self._inbound(entry, ("inbounds", number))
            if inbound is not None:
                found.inbounds[number] = inbound
        for number, entry in self._entries(("outbounds",), self._sections.get("outbounds", [])):
            outbound = self._outbound(entry, ("outbounds", number))
            if outbound is not None:
                found.outbounds[number] = outbound
        self._reverse(found)
        if "dns" in self._sections:
            from proxycore.document.dns import read_dns

            found.dns = read_dns(self._sections["dns"], self._report, self._context)
        self._routing(found)
        if "observatory" in self._sections:
            from proxycore.document.observatory import ObservatoryShape

            found.observatory = self._read(ObservatoryShape, self._sections["observatory"], ("observatory",))
        if "burstObservatory" in self._sections:
            from proxycore.document.observatory import BurstShape

            found.burst = self._read(BurstShape, self._sections["burstObservatory"], ("burstObservatory",))
        if not self._sections.keys().isdisjoint(("policy", "stats")):
            self._policy(found)
        for name in ("api", "metrics"):
            if self._sections.get(name) is not None:
                from proxycore.document.managing import read_managing

                found.closed_tags += read_managing(name, self._sections[name], self._report)
        return found

    def _read(self, model: type[ModelT], value: object, loc: Loc) -> ModelT | None:
        return read(model, value, loc, self._report, self._context)

    def _entries(self, loc: Loc, value: object) -> list[tuple[int, object]]:
        if not isinstance(value, list):
            self._report.error(loc, "a list is expected")
            return []
        return list(enumerate(value))

    def _protocol(self, entry: object, loc: Loc, *, is_inbound: bool) -> ProtocolSpec | None:
        """The spec that the entry names, read before the rest of it so that its settings are checked in any case."""
        name = field_of(entry, "protocol")
        if not isinstance(name, str):
            return None
        try:
            return (find_inbound if is_inbound else find_outbound)(name, self._protocols)
        except ValueError as error:
            self._report.error((*loc, "protocol"), str(error))
            return None

    def _inbound(self, entry: object, loc: Loc) -> Inbound | None:
        spec = self._protocol(entry, loc, is_inbound=True)
        shape = self._read(InboundShape, entry, loc)
        side = spec.inbound if spec is not None else None
        settings = self._read_settings(side.settings if side else None, entry, loc)
        if shape is None:
            return None
        check_stream(shape.stream_settings, entry, loc, self._report, is_inbound=True)
        ports = listened_ports(shape, settings, loc, self._report)
        if spec is None or side is None or settings is None:
            return None
        sniffing = shape.sniffing.policy((*loc, "sniffing"), self._report) if shape.sniffing is not None else None
        stream = shape.stream_settings or PLAIN
        return Inbound(render_path(loc), shape.tag, shape.listen, ports, spec, side, settings, stream, sniffing)

    def _outbound(self, entry: object, loc: Loc) -> Outbound | None:
        spec = self._protocol(entry, loc, is_inbound=False)
        shape = self._read(OutboundShape, entry, loc)
        side = spec.outbound if spec is not None else None
        settings = self._read_settings(side.settings if side else None, entry, loc)
        check_stream(shape.stream_settings if shape else None, entry, loc, self._report, is_inbound=False)
        if spec is not None and not spec.is_carrier and field_of(field_of(entry, "mux"), "enabled") is True:
            message = f"{spec.name} leads to no other core, so nothing there would understand mux"
            self._report.error((*loc, "mux", "enabled"), message)
        if shape is None or spec is None or side is None or settings is None:
            return None
        stream = shape.stream_settings or PLAIN
        if shape.proxy_settings.tag and not shape.proxy_settings.transport_layer and not stream.is_raw:
            message = "without transportLayer the cores would leave the transport out, unsaid"
            self._report.error((*loc, "proxySettings"), message, 'set "transportLayer": true')
        return Outbound(
            render_path(loc), shape.tag, spec, side, settings, shape.mux, stream, shape.send_through, shape.proxy_settings.tag,
            shape.target_strategy)

    def _read_settings(self, model: type[Settings] | None, entry: object, loc: Loc) -> Settings | None:
        value = field_of(entry, "settings")
        if model is None or not (value is None or isinstance(value, dict)):     # the entry's own model complains
            return None
        return self._read(model, {} if value is None else value, (*loc, "settings"))

    def _reverse(self, found: Sections) -> None:
        if "reverse" not in self._sections:
            return
        shape = self._read(ReverseShape, self._sections["reverse"], ("reverse",))
        if shape is None:
            return
        for number, entry in enumerate(shape.bridges):
            loc: Loc = ("reverse", "bridges", number)
            bridge = self._read(BridgeShape, entry, loc)
            if bridge is not None:
                found.bridges[number] = Bridge(render_path(loc), bridge.tag, bridge.domain, bridge.stall_timeout)
        for number, entry in enumerate(shape.portals):
            loc = ("reverse", "portals", number)
            portal = self._read(PortalShape, entry, loc)
            if portal is not None:
                found.portals[number] = Portal(
                    render_path(loc), portal.tag, portal.domain, portal.dialect, portal.picking, portal.stall_timeout)

    def _policy(self, found: Sections) -> None:
        from proxycore.document.policy import PolicyShape, StatsShape, counts_anything, policy_values

        if "stats" in self._sections and self._sections["stats"] is not None:
            found.exports_stats = self._read(StatsShape, self._sections["stats"], ("stats",)) is not None
        if "policy" in self._sections:
            shape = self._read(PolicyShape, self._sections["policy"], ("policy",))
            if shape is not None:
                found.policy = policy_values(shape, self._report)
                if counts_anything(found.policy) and "stats" not in self._sections:
                    self._report.warn(("policy",), 'its counters cannot be read without a section "stats"', 'add "stats": {}')

    def _routing(self, found: Sections) -> None:
        if "routing" not in self._sections:
            return
        value = self._sections["routing"]
        shape = self._read(RoutingShape, value, ("routing",))
        if shape is not None:
            found.domain_strategy = shape.domain_strategy
        rules: Any = shape.rules if shape is not None else field_of(value, "rules")
        for number, entry in enumerate(rules if isinstance(rules, list) else []):
            rule = self._read(RuleShape, entry, ("routing", "rules", number))
            if rule is not None:
                found.rules[number] = rule
        balancers: Any = shape.balancers if shape is not None else field_of(value, "balancers")
        for number, entry in enumerate(balancers if isinstance(balancers, list) else []):
            plan = self._balancer(entry, ("routing", "balancers", number))
            if plan is not None:
                found.balancers[number] = plan

    def _balancer(self, entry: object, loc: Loc) -> BalancerPlan | None:
        from proxycore.balancing.least_load import LeastLoadSettings
        from proxycore.document.balancers import BalancerShape, LeastLoadShape, NoSettingsShape

        shape = self._read(BalancerShape, entry, loc)
        if shape is None:
            return None
        at: Loc = (*loc, "strategy", "settings")
        if shape.strategy.type != "leastLoad":
            self._read(NoSettingsShape, shape.strategy.settings, at)
            return shape.plan(render_path(loc), LeastLoadSettings())
        settings = self._read(LeastLoadShape, shape.strategy.settings, at)
        return shape.plan(render_path(loc), settings.settings()) if settings is not None else None
