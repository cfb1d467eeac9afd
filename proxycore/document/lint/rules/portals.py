"""Portals: clients get in, bridges can register, and nobody else can."""

from __future__ import annotations

from proxycore.document.lint.codes import Code
from proxycore.document.lint.finding import Edit, Tell
from proxycore.document.lint.matching import Asked, Rule
from proxycore.document.lint.paths import outcomes
from proxycore.document.lint.tree import shown
from proxycore.document.lint.view import Endpoint, Inbound, View

NO_ENTRY = Code(
    "XR401",
    "portal-without-entry",
    "error",
    "No inbound leads to a portal, so nothing can go into its tunnel.",
    "A portal is an outbound: only what a rule sends to its tag goes into the tunnel.",
    "Add an inbound for the clients, and a rule with its tag that leads to the portal.",
)
NO_CARRIER = Code(
    "XR402",
    "portal-without-carrier",
    "error",
    "No bridge can register with a portal.",
    "A bridge registers by asking for the portal's domain through an inbound whose clients name their target (vmess, vless "
    "and so on); that request has to be led to the portal.",
    "Add such an inbound, and a rule with its tag that leads to the portal.",
)
DEFAULT = Code(
    "XR403",
    "portal-is-default",
    "warning",
    "A portal takes everything that no rule matches, since there is no outbound.",
    "The first outbound is the default; without any a portal becomes it, and whatever else arrives goes into the tunnel.",
    "Add an outbound, a blackhole if nothing should be left over.",
    is_fixable=True,
)
OPEN_CARRIER = Code(
    "XR404",
    "open-carrier",
    "warning",
    "Any user of a public inbound can register a bridge and receive the clients' traffic.",
    "Who asks for the domain and is led to the portal is its bridge; nothing else authenticates it.",
    "Restrict the rule that leads to the portal by `inboundTag` or `user`, and give bridges credentials of their own.",
)
UNAUTHENTICATED = Code(
    "XR405",
    "unauthenticated-carrier",
    "error",
    "Anybody can register a bridge: the inbound asks for no credential.",
    "Who asks for the domain and is led to the portal receives the clients' traffic.",
    "Let bridges come in through an inbound with credentials, and restrict the rule to it.",
)
LATE_TAG = Code(
    "XR406",
    "reverse-tag-late",
    "warning",
    "A rule leads to a VLESS reverse tunnel that may not be there yet.",
    "The outbound comes into being when the first bridge connects. Until then Xray before 25.10.15 sends such "
    "connections to the default outbound.",
    "Make the first outbound one that may take them, a blackhole for instance, or use a newer core.",
)

CODES = (NO_ENTRY, NO_CARRIER, DEFAULT, OPEN_CARRIER, UNAUTHENTICATED, LATE_TAG)


def check(view: View, tell: Tell) -> None:
    for portal in view.portals:
        if portal.tag and portal.domain:
            _check_portal(view, portal, tell)
    if view.portals and not view.outbounds:
        fix = 'add an outbound, {"tag": "refuse", "protocol": "blackhole"} say'
        message = f"there is no outbound, so the portal {shown(view.portals[0].tag)} takes everything that no rule matches"
        tell(DEFAULT, view.portals[0].node.loc, message, fix, _add_outbound(view))
    if view.core is not None and view.core.is_xray(since="25.9.10", before="25.10.15"):
        default = view.outbounds[0].protocol if view.outbounds else ""
        names = {node.text for node in view.reverse_clients}
        for rule in view.rules:
            if rule.outbound_tag in names and default != "blackhole":
                message = (
                    f"until a bridge connects, what {rule.label} sends to {shown(rule.outbound_tag)} goes to the default outbound"
                )
                tell(LATE_TAG, rule.node.get("outboundTag").loc, message, "put a blackhole first in outbounds")


def _add_outbound(view: View) -> list[Edit]:
    refuse = {"tag": "refuse", "protocol": "blackhole"}
    listed = view.root.get("outbounds")
    return view.source.replace(listed.loc, [refuse]) if listed.exists else view.source.insert_key((), "outbounds", [refuse])


def _check_portal(view: View, portal: Endpoint, tell: Tell) -> None:
    carriers = [inbound for inbound in view.inbounds if _can_register(view, portal, inbound)]
    entries = [inbound for inbound in view.inbounds if _lead_to(view, portal, _ordinary(inbound))]
    if not entries:
        tell(
            NO_ENTRY,
            portal.node.loc,
            f"nothing leads clients to the portal {shown(portal.tag)}",
            "add an inbound and a rule for them",
        )
    elif entries == carriers and len(carriers) == 1 and len(carriers[0].clients) == 1 and not carriers[0].needs_no_credential:
        message = (
            f"only the inbound {shown(carriers[0].tag)} leads to the portal {shown(portal.tag)}, and its one client is the bridge"
        )
        tell(NO_ENTRY, portal.node.loc, message, "add an inbound for the clients, and a rule")
    if not carriers:
        fix = f"lead an inbound such as vmess, for requests for {shown(portal.domain)}, to the portal"
        tell(NO_CARRIER, portal.node.loc, f"no inbound brings bridges to the portal {shown(portal.tag)}", fix)
    _check_open(view, portal, carriers, tell)


def _ordinary(inbound: Inbound) -> Asked:
    fixed = inbound.fixed_target
    return Asked(inbound.tag) if fixed is None else Asked(inbound.tag, fixed[0], fixed[1])


def _registering(portal: Endpoint, inbound: Inbound) -> Asked:
    return Asked(inbound.tag, portal.domain, None, "tcp")


def _can_register(view: View, portal: Endpoint, inbound: Inbound) -> bool:
    fixed = inbound.fixed_target
    names_the_domain = inbound.can_ask_for_a_domain or (fixed is not None and fixed[0] == portal.domain)
    return names_the_domain and bool(_lead_to(view, portal, _registering(portal, inbound)))


def _lead_to(view: View, portal: Endpoint, asked: Asked) -> list[Rule | None]:
    """The rules (None: the default) by which such a request can reach the portal."""
    return [outcome.rule for outcome in outcomes(view, asked) if any(one.node.loc == portal.node.loc for one in outcome.portals)]


def _check_open(view: View, portal: Endpoint, carriers: list[Inbound], tell: Tell) -> None:
    told: set[int] = set()
    clients = sum(len(inbound.clients) for inbound in carriers)
    for inbound in carriers:
        if not inbound.is_public:
            continue
        for rule in _lead_to(view, portal, _registering(portal, inbound)):
            if rule is not None and rule.matchers.keys() & {"user", "source", "vlessRoute"}:
                continue
            at = rule.node.loc if rule is not None else portal.node.loc
            where = rule.label if rule is not None else "the default outbound"
            if inbound.needs_no_credential:
                message = f"anybody who reaches the inbound {shown(inbound.tag)} can register as a bridge of {shown(portal.tag)}"
                tell(
                    UNAUTHENTICATED, inbound.node.loc, message, f"let {where} take bridges from an inbound with credentials only"
                )
                continue
            is_for_all = rule is None or "inboundTag" not in rule.matchers
            is_shared = len(inbound.clients) > 1 and not _lead_to(view, portal, _ordinary_elsewhere(inbound))
            if ((is_for_all and (clients > 1 or len(carriers) > 1)) or is_shared) and id(rule) not in told:
                told.add(id(rule))
                users = _named(carriers if is_for_all else [inbound])
                message = f"{where} lets every user of {users} register as a bridge of {shown(portal.tag)}"
                tell(OPEN_CARRIER, at, message, "restrict it by inboundTag or user")


def _ordinary_elsewhere(inbound: Inbound) -> Asked:
    """A request for something else than the domain: users who never reach the portal so are not there for it."""
    return Asked(inbound.tag, "elsewhere.invalid", None, None)


def _named(inbounds: list[Inbound]) -> str:
    return " and ".join(shown(inbound.tag) for inbound in inbounds[:4])
