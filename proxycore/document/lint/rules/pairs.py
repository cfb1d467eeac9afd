"""Portal and bridge side by side, in files that were given together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxycore.document.lint.codes import Code
from proxycore.document.lint.finding import Tell
from proxycore.document.lint.paths import carriers_of
from proxycore.document.lint.tree import shown
from proxycore.document.lint.view import Endpoint, View
from proxycore.document.nearest import did_you_mean

DOMAIN_MISMATCH = Code(
    "XR501",
    "domain-mismatch",
    "error",
    "A bridge asks for a domain that no portal of the other files has.",
    "Bridge and portal find each other by this name only; with another one the portal takes the bridge for a client.",
    "Write the same domain on both sides, and in the rules.",
    is_fixable=True,
)
DOMAIN_CASE = Code(
    "XR502",
    "domain-differs-in-case",
    "error",
    "The domains of a bridge and its portal differ in their letter case.",
    "The portal compares byte for byte: the tunnel does not come up.",
    "Write it in lower case on both sides.",
    is_fixable=True,
)
UNKNOWN_CREDENTIAL = Code(
    "XR503",
    "credential-mismatch",
    "error",
    "A bridge shows an id that its portal's file does not have.",
    "The portal's inbound drops the connection without an answer, and the bridge tries again for ever.",
    "Give a client of the portal's inbound the same id.",
)
PROTOCOL_MISMATCH = Code(
    "XR504",
    "protocol-mismatch",
    "error",
    "A bridge connects by a protocol that no inbound of its portal's file speaks.",
    "The portal's inbound drops the connection.",
    "Use the same protocol on both sides.",
)
UNPAIRED_PORTAL = Code(
    "XR505",
    "unpaired-portal",
    "warning",
    "No bridge of the other files registers with a portal.",
    "Clients of this portal find no tunnel, unless a bridge of another file serves it.",
    "Give a bridge this portal's domain.",
)

CODES = (DOMAIN_MISMATCH, DOMAIN_CASE, UNKNOWN_CREDENTIAL, PROTOCOL_MISMATCH, UNPAIRED_PORTAL)


def check_together(views: Sequence[View], tells: Sequence[Tell]) -> None:
    """`tells` belong to the views in the same order."""
    for number, view in enumerate(views):
        others = [other for position, other in enumerate(views) if position != number]
        portals = [(other, portal) for other in others for portal in other.portals if portal.domain]
        for bridge in view.bridges:
            if bridge.domain and portals:
                _check_bridge(view, bridge, portals, tells[number])
        domains = {bridge.domain.lower() for other in views for bridge in other.bridges}
        has_bridges_elsewhere = any(other.bridges for other in others)
        for portal in view.portals:
            if has_bridges_elsewhere and portal.domain and portal.domain.lower() not in domains:
                message = f"no bridge in these files asks for {shown(portal.domain)}"
                tells[number](UNPAIRED_PORTAL, portal.node.get("domain").loc, message, "give its bridge this domain")


def _check_bridge(view: View, bridge: Endpoint, portals: list[tuple[View, Endpoint]], tell: Tell) -> None:
    at = bridge.node.get("domain").loc
    same = [(other, portal) for other, portal in portals if portal.domain == bridge.domain]
    if same:
        _check_credentials(view, bridge, [other for other, _ in same], tell)
        return
    cased = [portal for _, portal in portals if portal.domain.lower() == bridge.domain.lower()]
    if cased:
        message = f"the bridge asks for {shown(bridge.domain)}, the portal has {shown(cased[0].domain)}: letter case counts"
        tell(DOMAIN_CASE, at, message, f"write {shown(cased[0].domain)}", view.source.replace(at, cased[0].domain))
        return
    if any(portal.domain == bridge.domain for portal in view.portals):
        return  # it is for a portal of its own file
    names = [portal.domain for _, portal in portals]
    hint = did_you_mean(bridge.domain, names)
    edits = []
    if hint:
        near = hint.removeprefix('did you mean "').removesuffix('"?')
        edits = view.source.replace(at, near)
        for rule in view.rules:
            node = rule.matchers.get("domain")
            for word in node.words() if node is not None and isinstance(node.value, list) else ():
                prefix, colon, rest = word.text.rpartition(":")
                if rest == bridge.domain:
                    edits += view.source.replace(word.loc, prefix + colon + near)
    listed = ", ".join(shown(name) for name in names[:4])
    tell(
        DOMAIN_MISMATCH,
        at,
        f"no portal has the domain {shown(bridge.domain)}; there is {listed}",
        hint or "use the portal's",
        edits,
    )


def _check_credentials(view: View, bridge: Endpoint, others: list[View], tell: Tell) -> None:
    outbounds = [
        one
        for outcome in carriers_of(view, bridge)[:1]
        for one in outcome.outbounds
        if one.protocol in ("vmess", "vless", "trojan")
    ]
    for outbound in outbounds:
        ids = set(_ids(others, outbound.protocol))
        if not any(inbound.protocol == outbound.protocol for other in others for inbound in other.inbounds):
            message = f"the bridge connects by {outbound.protocol}, and no inbound in its portal's file speaks that"
            tell(PROTOCOL_MISMATCH, outbound.node.get("protocol").loc, message, "use the same protocol on both sides")
            continue
        for server in outbound.servers:
            for user in server.users:
                if user.id and user.id.lower() not in ids:
                    at = user.node.get("id", "password").loc
                    message = f"no {outbound.protocol} client in the portal's file has the id of {shown(outbound.tag)}"
                    tell(UNKNOWN_CREDENTIAL, at, message, "give a client of the portal's inbound this id")


def _ids(views: list[View], protocol: str) -> Iterator[str]:
    for view in views:
        for inbound in view.inbounds:
            if inbound.protocol == protocol:
                yield from (client.id.lower() for client in inbound.clients)
