"""Tags: each one once, and none named that is not there."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from proxycore.document.lint.codes import Code
from proxycore.document.lint.finding import Edit, Tell
from proxycore.document.lint.tree import Node, shown
from proxycore.document.lint.view import View
from proxycore.document.nearest import did_you_mean
from proxycore.document.places import render_path

DUPLICATE_TAG = Code(
    "XR101",
    "duplicate-tag",
    "error",
    "Two entries have the same tag.",
    "Xray does not start then; with V2Ray one of the two is never used. Portals share their tags with outbounds; bridges "
    "and inbounds are both named by `inboundTag`.",
    "Give each entry a tag of its own.",
)
DANGLING_OUTBOUND = Code(
    "XR102",
    "dangling-outbound-tag",
    "error",
    "A tag of an outbound is named that no outbound or portal has.",
    "The document loads. At run time the connection goes to the default outbound (Xray before 25.10.15, V2Ray), or is closed.",
    "Write the tag as the outbound or portal has it.",
    is_fixable=True,
)
DANGLING_INBOUND = Code(
    "XR103",
    "dangling-inbound-tag",
    "warning",
    "A rule asks for an inbound or bridge that is not there.",
    "Such an entry never fits, and nothing says so. Tags are compared with their letter case.",
    "Write the tag as the inbound or bridge has it.",
    is_fixable=True,
)
DANGLING_BALANCER = Code(
    "XR104",
    "dangling-balancer-tag",
    "error",
    "A rule names a balancer that is not there.",
    "No core starts with such a document.",
    "Write the tag as the balancer has it.",
    is_fixable=True,
)
DUPLICATE_RULE_TAG = Code(
    "XR105",
    "duplicate-rule-tag",
    "error",
    "Two rules have the same ruleTag.",
    "Xray does not start then.",
    "Give each rule a ruleTag of its own.",
)
NO_TAG = Code(
    "XR106",
    "outbound-without-tag",
    "note",
    "An outbound that is not the first one has no tag.",
    "Only the first outbound is the default, and rules name outbounds by tag: nothing can ever use this one.",
    "Give it a tag and a rule, or remove it.",
)

CODES = (DUPLICATE_TAG, DANGLING_OUTBOUND, DANGLING_INBOUND, DANGLING_BALANCER, DUPLICATE_RULE_TAG, NO_TAG)


def check(view: View, tell: Tell) -> None:
    inbounds, outbounds = [one.node for one in view.inbounds], [one.node for one in view.outbounds]
    _check_once(DUPLICATE_TAG, "tag", [*inbounds, *(one.node for one in view.bridges)], tell)
    _check_once(DUPLICATE_TAG, "tag", [*outbounds, *(one.node for one in view.portals)], tell)
    _check_once(DUPLICATE_TAG, "tag", [one.node for one in view.balancers], tell)
    _check_once(DUPLICATE_RULE_TAG, "ruleTag", [rule.node for rule in view.rules], tell)
    _check_named(view, tell)
    for outbound in view.outbounds[1:]:
        if not outbound.tag and isinstance(outbound.node.value, dict):
            tell(
                NO_TAG, outbound.node.loc, "no rule can name this outbound, and it is not the default", "give it a tag and a rule"
            )


def _check_once(code: Code, key: str, entries: Iterable[Node], tell: Tell) -> None:
    seen: dict[str, Node] = {}
    for entry in entries:
        node = entry.get(key)
        if not node.text:
            continue
        if node.text in seen:
            first = render_path(seen[node.text].loc[:-1])
            tell(
                code, node.loc, f"{first} is called {shown(node.text)} already", "choose another name, here and where it is named"
            )
        seen.setdefault(node.text, node)


def _check_named(view: View, tell: Tell) -> None:
    outbounds, inbounds = view.outbound_tags(), view.inbound_tags()
    balancers = {one.tag for one in view.balancers}
    for rule in view.rules:
        _check_known(view, DANGLING_OUTBOUND, "outbound or portal", rule.node.get("outboundTag"), outbounds, tell)
        if not rule.outbound_tag:
            _check_known(view, DANGLING_BALANCER, "balancer", rule.node.get("balancerTag"), balancers, tell)
        listed = rule.matchers.get("inboundTag")
        for word in listed.words() if listed is not None else ():
            _check_known(view, DANGLING_INBOUND, "inbound or bridge", word, inbounds, tell)
    for outbound in view.outbounds:
        for node in (
            outbound.node.get("proxySettings").get("tag"),
            outbound.node.get("streamSettings").get("sockopt").get("dialerProxy"),
        ):
            _check_known(view, DANGLING_OUTBOUND, "outbound", node, outbounds, tell)
    for balancer in view.balancers:
        _check_known(view, DANGLING_OUTBOUND, "outbound or portal", balancer.node.get("fallbackTag"), outbounds, tell)


def _check_known(view: View, code: Code, kind: str, node: Node, known: Collection[str], tell: Tell) -> None:
    if not node.text or node.text in known or tell.is_full:
        return
    hint = did_you_mean(node.text, known)
    tell(code, node.loc, f"there is no {kind} {shown(node.text)}", hint or f"give the tag of an {kind}", _mend(view, node, hint))


def _mend(view: View, node: Node, hint: str) -> list[Edit]:
    """The near tag in place of the wrong one, where it stands by itself and not in a text with commas."""
    near = hint.removeprefix('did you mean "').removesuffix('"?')
    at = view.source.start(node.loc)
    if not hint or not view.source.text.startswith(f'"{node.text}"', at):
        return []
    return view.source.replace(node.loc, near)
