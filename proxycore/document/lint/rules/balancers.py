"""Balancers: something to choose from, and what their choice is based on."""

from __future__ import annotations

from proxycore.document.lint.codes import Code
from proxycore.document.lint.finding import Tell
from proxycore.document.lint.tree import shown
from proxycore.document.lint.view import Balancer, View
from proxycore.document.nearest import did_you_mean

NO_OBSERVATORY = Code(
    "XR801",
    "balancer-without-observatory",
    "error",
    "leastPing or leastLoad without an observatory.",
    "They choose by what an observatory has measured; without one Xray 24 crashes "
    "on the first connection, and Xray 26 and this program do not start.",
    "Add `observatory` or `burstObservatory` with a subjectSelector that selects the balancer's outbounds.",
    is_fixable=True,
)
EMPTY_BALANCER = Code(
    "XR802",
    "empty-balancer",
    "error",
    "A balancer's selector fits no outbound.",
    "A selector entry is the beginning of a tag, with its letter case.",
    "Write the beginning of the outbounds' tags.",
)
NOT_OBSERVED = Code(
    "XR803",
    "balancer-not-observed",
    "warning",
    "The observatory does not watch an outbound that leastPing or leastLoad chooses from.",
    "What is not observed is never chosen.",
    "Select it in subjectSelector too.",
)
UNKNOWN_STRATEGY = Code(
    "XR804",
    "unknown-strategy",
    "error",
    "A balancer has a strategy that does not exist.",
    "The document does not load.",
    "Use random, roundRobin, leastPing or leastLoad.",
    is_fixable=True,
)
TWO_OBSERVATORIES = Code(
    "XR805",
    "two-observatories",
    "warning",
    "There are observatory and burstObservatory.",
    "Balancers use one of the two only.",
    "Keep one, burstObservatory for leastLoad.",
)
NO_FALLBACK = Code(
    "XR806",
    "tunnels-without-fallback",
    "warning",
    "A balancer that chooses tunnels by what was measured has no fallbackTag.",
    "Until the first probe has been answered, and whenever none is, it chooses nothing, and what is meant for a tunnel "
    "goes out by the default outbound: from the portal's host, to its own address 127.0.0.1, say.",
    "Set fallbackTag: one of the portals, which then waits for its bridge, or a blackhole.",
)

CODES = (NO_OBSERVATORY, EMPTY_BALANCER, NOT_OBSERVED, UNKNOWN_STRATEGY, TWO_OBSERVATORIES, NO_FALLBACK)

_STRATEGIES = ("random", "roundRobin", "leastPing", "leastLoad")
_MEASURING = ("leastping", "leastload")


def check(view: View, tell: Tell) -> None:
    simple, burst = view.root.get("observatory"), view.root.get("burstObservatory")
    if simple.exists and burst.exists:
        tell(TWO_OBSERVATORIES, burst.loc, "observatory is there too: only one is used", "keep one of the two", of_key=True)
    for balancer in view.balancers:
        _check_balancer(view, balancer, tell)


def _check_balancer(view: View, balancer: Balancer, tell: Tell) -> None:
    members = view.members(balancer) if balancer.selector else []
    if not members and isinstance(balancer.node.value, dict):
        message = f"no outbound's tag begins as the selector of the balancer {shown(balancer.tag)} says"
        tell(EMPTY_BALANCER, balancer.node.get("selector").loc, message, "write the beginning of the outbounds' tags")
    kind = balancer.node.get("strategy").get("type")
    if kind.text and kind.text.lower() not in [name.lower() for name in _STRATEGIES]:
        hint = did_you_mean(kind.text, _STRATEGIES)
        edits = view.source.replace(kind.loc, hint.split('"')[1]) if hint else []
        tell(UNKNOWN_STRATEGY, kind.loc, f"there is no strategy {shown(kind.text)}", hint or "use one of the known ones", edits)
    if balancer.strategy not in _MEASURING:
        return
    _check_fallback(view, balancer, members, tell)
    observatories = [view.root.get("observatory"), view.root.get("burstObservatory")]
    if not any(one.exists for one in observatories):
        message = f"the balancer {shown(balancer.tag)} chooses by {kind.text}, and nothing measures"
        edits = []
        if balancer.strategy == "leastping" and balancer.selector:
            edits = view.source.insert_key((), "observatory", {"subjectSelector": list(balancer.selector)})
        tell(NO_OBSERVATORY, kind.loc, message, "add an observatory for its outbounds", edits)
        return
    prefixes = tuple(word.text for one in observatories for word in one.get("subjectSelector").words())
    for tag in members:
        if not tag.startswith(prefixes):
            message = f"the outbound {shown(tag)} is not observed, so the balancer {shown(balancer.tag)} never chooses it"
            tell(NOT_OBSERVED, balancer.node.get("selector").loc, message, "select it in subjectSelector too")


def _check_fallback(view: View, balancer: Balancer, members: list[str], tell: Tell) -> None:
    tunnels = {one.tag for one in view.portals} | {node.text for node in view.reverse_clients}
    tunnel = next((tag for tag in members if tag in tunnels), None)
    default = view.outbounds[0] if view.outbounds else None
    if tunnel is None or balancer.node.get("fallbackTag").text or default is None or default.protocol == "blackhole":
        return
    message = f"while {shown(balancer.tag)} has measured nothing, what is for {shown(tunnel)} goes out by {shown(default.tag)}"
    tell(NO_FALLBACK, balancer.node.loc, message, "set fallbackTag to a portal or a blackhole")
