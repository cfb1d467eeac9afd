"""Where a kind of request can end up: the rules it can take, in order, and what they lead to."""

from __future__ import annotations

from dataclasses import dataclass

from proxycore.document.lint.matching import Asked, Rule, fits
from proxycore.document.lint.view import Endpoint, Outbound, View


@dataclass(frozen=True, slots=True)
class Outcome:
    """`rule` None: the default outbound. `is_certain`: whatever comes this far takes it."""

    rule: Rule | None
    outbounds: tuple[Outbound, ...]
    portals: tuple[Endpoint, ...]
    is_certain: bool


def outcomes(view: View, asked: Asked) -> list[Outcome]:
    """All that can happen to such a request, the last one being certain."""
    found: list[Outcome] = []
    for rule in view.rules:
        answer = fits(rule, asked, resolves=view.resolves_names)
        if answer is False:
            continue
        found.append(_outcome(view, rule, is_certain=answer is True))
        if answer is True:
            return found
    outbounds = tuple(view.outbounds[:1])
    found.append(Outcome(None, outbounds, () if outbounds else tuple(view.portals[:1]), True))
    return found


def _outcome(view: View, rule: Rule, *, is_certain: bool) -> Outcome:
    tags = leads_to(view, rule)
    return Outcome(
        rule,
        tuple(outbound for outbound in view.outbounds if outbound.tag and outbound.tag in tags),
        tuple(portal for portal in view.portals if portal.tag and portal.tag in tags),
        is_certain,
    )


def leads_to(view: View, rule: Rule) -> list[str]:
    """The tags that a rule can send to: one, or the members of its balancer."""
    if rule.outbound_tag:
        return [rule.outbound_tag]
    return [
        tag
        for one in view.balancers
        if one.tag == rule.balancer_tag
        for tag in (*view.members(one), one.node.get("fallbackTag").text)
    ]


def carriers_of(view: View, bridge: Endpoint) -> list[Outcome]:
    """What can happen to the connections that a bridge makes to its portal."""
    return outcomes(view, Asked(bridge.tag, bridge.domain, 0, "tcp", has_client=False))
