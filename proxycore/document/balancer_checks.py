"""What only shows when balancers are seen together with the outbounds, the rules and the observatory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from proxycore.balancing.balancer import BalancerPlan, select
from proxycore.document.jsonc import Loc
from proxycore.document.nearest import did_you_mean
from proxycore.document.places import render_path
from proxycore.document.report import Report
from proxycore.document.sections import Sections
from proxycore.document.shape import field_of
from proxycore.observatory.settings import LEAST_BURST_INTERVAL_S


def check_balancers(sections: Mapping[str, object], found: Sections, outbounds: Sequence[str], report: Report) -> None:
    """`sections` are the raw ones; `outbounds` all tags that a rule can send to."""
    routing = sections.get("routing")
    tags = _balancer_tags(routing, report)
    _check_rules(routing, tags, report)
    _check_observatories(sections, found, outbounds, report)
    for number, plan in found.balancers.items():
        _check_balancer(plan, ("routing", "balancers", number), sections, found, outbounds, report)


def _listed(section: object, name: str) -> Sequence[object]:
    entries = field_of(section, name)
    return entries if isinstance(entries, list) else []


def _balancer_tags(routing: object, report: Report) -> dict[str, Loc]:
    tags: dict[str, Loc] = {}
    for number, entry in enumerate(_listed(routing, "balancers")):
        tag = field_of(entry, "tag")
        if not isinstance(tag, str) or not tag:
            continue
        at: Loc = ("routing", "balancers", number, "tag")
        if tag in tags:
            report.error(at, f'the tag "{tag}" is already that of another balancer, {render_path(tags[tag][:-1])}')
        else:
            tags[tag] = at
    return tags


def _check_rules(routing: object, tags: Mapping[str, Loc], report: Report) -> None:
    for number, rule in enumerate(_listed(routing, "rules")):
        tag = field_of(rule, "balancerTag")
        if not isinstance(tag, str) or not tag:
            continue
        at: Loc = ("routing", "rules", number, "balancerTag")
        if field_of(rule, "outboundTag"):
            report.warn(at, "has no effect: outboundTag is given too and counts instead", of_key=True)
        elif tag not in tags:
            report.error(at, f'there is no balancer "{tag}"', partial(did_you_mean, tag, tags))


def _check_observatories(sections: Mapping[str, object], found: Sections, outbounds: Sequence[str], report: Report) -> None:
    if found.observatory is not None and found.burst is not None:
        message = "has no effect: balancers use one observatory only, and there is the other kind too"
        report.warn(("burstObservatory",), message, "keep one of the two", of_key=True)
    if found.burst is not None and found.burst.ping_config.is_hurried:
        message = f"is shorter than {LEAST_BURST_INTERVAL_S:.0f} s, which is used instead"
        report.warn(("burstObservatory", "pingConfig", "interval"), message)
    observed = found.observed
    if observed is not None and not select(outbounds, observed.selector):
        message = "selects no outbound, so nothing is observed"
        report.warn((observed.path, "subjectSelector"), message, "write the beginnings of tags")


def _check_balancer(
    plan: BalancerPlan, loc: Loc, sections: Mapping[str, object], found: Sections, outbounds: Sequence[str], report: Report
) -> None:
    if plan.fallback_tag and plan.fallback_tag not in outbounds:
        message = f'there is no outbound or portal "{plan.fallback_tag}"'
        report.error((*loc, "fallbackTag"), message, partial(did_you_mean, plan.fallback_tag, outbounds))
    members = select(outbounds, plan.selector)
    if not members:
        last = "so it always takes its fallbackTag" if plan.fallback_tag else "so what it gets goes to the default outbound"
        report.warn((*loc, "selector"), f"no outbound's tag begins so, {last}", "the beginning of a tag, in its letter case")
    if not plan.needs_observations:
        return
    at: Loc = (*loc, "strategy", "type")
    if not any(sections.get(name) is not None for name in ("observatory", "burstObservatory")):
        message = f"{plan.strategy} chooses by what an observatory has measured, and there is none"
        report.error(at, message, "add an observatory whose subjectSelector selects the balancer's outbounds")
    elif found.observed is not None and members and not set(members) & set(select(outbounds, found.observed.selector)):
        message = f"none of the balancer's outbounds is observed, so {plan.strategy} never chooses one"
        report.warn(at, message, "select them in subjectSelector too")
