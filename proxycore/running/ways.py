"""By which outbounds a bridge reaches its portal: when those change, it makes its carriers anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from proxycore.balancing.balancer import BalancerPlan, select
from proxycore.destination import Request
from proxycore.protocols.base import Outbound
from proxycore.reverse.bridge import Bridge
from proxycore.routing.router import Router
from proxycore.running.change import Change, Phase
from proxycore.running.outbounds import RunningOutbound


class Ways:
    """The ways of one document: its rules, its balancers and its outbounds."""

    def __init__(
        self,
        router: Router,
        balancers: Iterable[BalancerPlan],
        by_tag: Mapping[str, Outbound],
        outbounds: Iterable[RunningOutbound],
    ) -> None:
        self._router = router
        self._balancers = {plan.tag: plan for plan in balancers}
        self._by_tag = by_tag
        self._through = {one.entry.tag: one.dials_through for one in outbounds if one.dials_through}

    def of(self, request: Request) -> list[Outbound]:
        """What carries `request`, or may, as far as can be told before it is sent; and what those dial through."""
        return [outbound for tag in self._tags(request) for outbound in self.through(tag)]

    def through(self, tag: str) -> Iterator[Outbound]:
        """The outbound `tag`, the one that it dials through, and so on."""
        seen: set[str] = set()
        while tag in self._by_tag and tag not in seen:
            seen.add(tag)
            yield self._by_tag[tag]
            if tag not in self._through:
                return
            tag = self._through[tag]

    def _tags(self, request: Request) -> list[str]:
        rule = self._router.first_match(request)
        plan = self._balancers.get(rule.balancer_tag) if rule is not None and not rule.outbound_tag else None
        if plan is not None:
            return [*select(tuple(self._by_tag), plan.selector), plan.fallback_tag or self._router.default_tag or ""]
        tag = self._router.default_tag if rule is None else rule.outbound_tag
        return [] if tag is None else [tag]


def prepare_ways(
    old: Ways, new: Ways, bridges: Iterable[Bridge], outbounds: Iterable[RunningOutbound], change: Change
) -> None:
    """`bridges` and `outbounds` are those that are in both documents; what they are carried by may not be."""
    for bridge in bridges:
        if old.of(bridge.origin) != new.of(bridge.origin):
            change.on_commit(Phase.START, bridge.renew)
    for outbound in outbounds:
        tag = outbound.entry.tag
        if list(old.through(tag)) != list(new.through(tag)):
            for bridge in outbound.bridges:
                change.on_commit(Phase.START, bridge.renew)
