"""What only shows when the parts of a document are seen together: tags, ports, and who reaches whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from proxycore.balancing.balancer import select
from proxycore.destination import Destination, Request
from proxycore.document.balancer_checks import check_balancers
from proxycore.document.jsonc import Loc
from proxycore.document.listening import check_listeners
from proxycore.document.model import Bridge, Outbound
from proxycore.document.nearest import did_you_mean
from proxycore.document.places import parse_path, render_path
from proxycore.document.report import Report
from proxycore.document.routing import RuleShape
from proxycore.document.sections import Sections
from proxycore.document.shape import field_of
from proxycore.routing.router import Router
from proxycore.routing.rule import Rule

TagPlaces = dict[str, Loc]


def check(sections: Mapping[str, object], found: Sections, report: Report) -> tuple[Rule, ...]:
    """Report what does not fit together, and give the rules that can be compiled.

    `sections` are the raw ones: a tag counts as given also where the rest of its entry is wrong.
    """
    inbounds = _tags(_listed(sections, "inbounds"), ("inbounds",), {}, "inbound", report)
    reverse = sections.get("reverse")
    outbounds = _tags(_listed(sections, "outbounds"), ("outbounds",), {}, "outbound", report)
    outbounds = _tags(_listed(reverse, "portals"), ("reverse", "portals"), outbounds, "outbound or portal", report)
    outbounds = _provided_outbounds(found, outbounds, report)
    bridges = {tag for entry in _listed(reverse, "bridges") if isinstance(tag := field_of(entry, "tag"), str)}
    bridges |= _provided_inbounds(found, inbounds, report)
    bridges |= set(found.dns.tags if found.dns is not None else ())
    _check_bridge_tags(found.bridges.values(), inbounds, report)
    _check_cautions(found, report)
    check_listeners(list(found.inbounds.values()), report)
    _check_outbounds(sections, found, report)
    _check_chains(found, outbounds, report)
    raw_rules = _listed(sections.get("routing"), "rules")
    _check_outbound_tags(raw_rules, [*outbounds, *found.closed_tags], report)
    check_balancers(sections, found, list(outbounds), report)
    rules = tuple(_rule(number, shape, report) for number, shape in found.rules.items())
    _check_rules(found, [*inbounds, *sorted(bridges)], report)
    _check_domain_strategy(found.domain_strategy, raw_rules, report)
    _check_bridges(found, rules, outbounds, report)
    return rules


def _listed(section: object, name: str) -> list[object]:
    entries = field_of(section, name)
    return entries if isinstance(entries, list) else []


def _tags(entries: Sequence[object], loc: Loc, earlier: TagPlaces, kind: str, report: Report) -> TagPlaces:
    """The tags of `entries`, after `earlier` ones, each with its place. A tag that is there already is an error."""
    tags = dict(earlier)
    for number, entry in enumerate(entries):
        tag = field_of(entry, "tag")
        if not isinstance(tag, str) or not tag:
            continue
        at: Loc = (*loc, number, "tag")
        if tag in tags:
            report.error(at, f'the tag "{tag}" is already that of another {kind}, {render_path(tags[tag][:-1])}')
        else:
            tags[tag] = at
    return tags


def _provided_outbounds(found: Sections, outbounds: TagPlaces, report: Report) -> TagPlaces:
    """The tags of `outbounds`, and of the tunnels that clients of inbounds open. One may be named by several of them."""
    tags = dict(outbounds)
    for number, inbound in found.inbounds.items():
        at: Loc = ("inbounds", number, "settings")
        for tag in inbound.settings.provides_outbound_tags():
            if tag in outbounds:
                report.error(at, f'the tunnel "{tag}" has the tag of {render_path(outbounds[tag][:-1])}')
            tags.setdefault(tag, at)
    return tags


def _provided_inbounds(found: Sections, inbounds: TagPlaces, report: Report) -> set[str]:
    """The tags of tunnels that outbounds keep open: what comes through them is told apart by these."""
    tags = set()
    for number, outbound in found.outbounds.items():
        for tag in outbound.settings.provides_inbound_tags():
            tags.add(tag)
            if tag in inbounds:
                message = f'rules cannot tell this tunnel from the inbound "{tag}"'
                report.warn(("outbounds", number, "settings"), message)
    return tags


def _check_cautions(found: Sections, report: Report) -> None:
    for section, entries in (("inbounds", found.inbounds), ("outbounds", found.outbounds)):
        for number, entry in entries.items():
            for caution in entry.settings.cautions():
                report.warn((section, number, "settings"), caution)


def _check_bridge_tags(bridges: Iterable[Bridge], inbounds: TagPlaces, report: Report) -> None:
    for bridge in bridges:
        if bridge.tag in inbounds:
            message = f'rules cannot tell this bridge from the inbound "{bridge.tag}"'
            report.warn((*parse_path(bridge.path), "tag"), message)


def _check_outbounds(sections: Mapping[str, object], found: Sections, report: Report) -> None:
    for number, outbound in found.outbounds.items():
        if not outbound.tag and number > 0:
            report.warn(("outbounds", number), "without a tag no rule can name it, and only the first outbound is the default")
    if not _listed(sections, "outbounds") and found.portals:
        first = next(iter(found.portals.values()))
        message = "there is no outbound, so this portal takes everything that no rule matches"
        report.warn(parse_path(first.path), message, "add an outbound, freedom or blackhole, say")


def _check_chains(found: Sections, tags: TagPlaces, report: Report) -> None:
    """An outbound that dials through another one, which has to be there and must not lead back."""
    nexts = {entry.tag: _next_of(entry) for entry in found.outbounds.values() if entry.tag and _next_of(entry)}
    for number, entry in found.outbounds.items():
        tag = _next_of(entry)
        if not tag:
            continue
        key = ("proxySettings", "tag") if entry.proxy_tag else ("streamSettings", "sockopt", "dialerProxy")
        at: Loc = ("outbounds", number, *key)
        if tag not in tags:
            report.error(at, f'there is no outbound or portal "{tag}"', partial(did_you_mean, tag, tags))
            continue
        passed = {entry.tag}
        while tag and tag not in passed:
            passed.add(tag)
            tag = nexts.get(tag, "")
        if tag:
            report.error(at, f'this leads back to "{tag}", so nothing would ever be dialled')


def _next_of(entry: Outbound) -> str:
    return entry.proxy_tag or entry.stream.sockopt.dialer_proxy


def _check_outbound_tags(rules: Sequence[object], outbounds: Collection[str], report: Report) -> None:
    for number, rule in enumerate(rules):
        tag = field_of(rule, "outboundTag")
        at: Loc = ("routing", "rules", number, "outboundTag")
        if isinstance(tag, str) and tag and tag not in outbounds:
            report.error(at, f'there is no outbound or portal "{tag}"', partial(did_you_mean, tag, outbounds))
        elif isinstance(rule, dict) and not tag and not field_of(rule, "balancerTag"):
            report.error(at, "is required: where the rule leads")


def _check_domain_strategy(strategy: str, rules: Sequence[object], report: Report) -> None:
    at: Loc = ("routing", "domainStrategy")
    if strategy == "AsIs":
        return
    if not any(field_of(rule, "ip") for rule in rules):
        report.warn(at, "has no effect: no rule has an ip matcher")


def _rule(number: int, shape: RuleShape, report: Report) -> Rule:
    loc: Loc = ("routing", "rules", number)
    rule = shape.rule(render_path(loc))
    if not rule.conditions:
        report.error(loc, "the rule has no matcher, so it would say nothing", "give at least one, inboundTag or domain, say")
    return rule


def _check_rules(found: Sections, inbound_tags: Sequence[str], report: Report) -> None:
    known = frozenset(inbound_tags)
    labels: dict[str, int] = {}
    for number, shape in found.rules.items():
        loc: Loc = ("routing", "rules", number)
        if shape.rule_tag in labels:
            report.error((*loc, "ruleTag"), f'rule {labels[shape.rule_tag]} has the ruleTag "{shape.rule_tag}" already')
        elif shape.rule_tag:
            labels[shape.rule_tag] = number
        for position, tag in enumerate(shape.inbound_tag):
            if tag not in known:
                hint = partial(did_you_mean, tag, inbound_tags)
                report.warn(_entry((*loc, "inboundTag"), position, report), f'there is no inbound or bridge "{tag}"', hint)


def _entry(loc: Loc, position: int, report: Report) -> Loc:
    """The place of a list's entry; of the list, where it is written as one text."""
    return (*loc, position) if report.has((*loc, position)) else loc


def _check_bridges(found: Sections, rules: Sequence[Rule], tags: TagPlaces, report: Report) -> None:
    """A bridge dials its portal through the router: some rule has to lead there."""
    router = Router.compile([rule for rule in rules if rule.conditions], None)
    carriers = {outbound.tag for outbound in found.outbounds.values() if outbound.spec.is_carrier}
    others = {outbound.tag for outbound in found.outbounds.values() if outbound.tag} - carriers
    balanced = {plan.tag: select(list(tags), plan.selector) for plan in found.balancers.values()}
    for bridge in found.bridges.values():
        loc = parse_path(bridge.path)
        rule = router.first_match(Request(Destination("tcp", bridge.domain, 0), bridge.tag))
        if rule is None:
            message = "no rule leads the connections of this bridge to its portal"
            report.warn(loc, f'{message}: inboundTag "{bridge.tag}", domain "{bridge.domain}"', "they go to the default outbound")
            continue
        leads = [rule.outbound_tag] if rule.outbound_tag else balanced.get(rule.balancer_tag, [])
        wrong = next((tag for tag in leads if tag in others), None)
        if wrong is not None:
            message = f'{rule.label} sends the connections of this bridge to "{wrong}", which leads to no portal'
            report.warn(loc, message, "put a rule with the bridge's inboundTag and domain before it")
