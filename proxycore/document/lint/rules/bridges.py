"""Bridges: their own connections reach the portal, and what comes back through them goes on to the service."""

from __future__ import annotations

from proxycore.document.lint.codes import Code
from proxycore.document.lint.finding import Tell
from proxycore.document.lint.matching import Asked, Rule, fits, without
from proxycore.document.lint.paths import Outcome, carriers_of, leads_to, outcomes
from proxycore.document.lint.tree import Node, shown
from proxycore.document.lint.view import Endpoint, Outbound, View

UNROUTED = Code(
    "XR301",
    "bridge-unrouted",
    "error",
    "No rule leads the connections of a bridge to its portal.",
    "A bridge dials by asking the router for its domain, with its tag as inboundTag. Without a rule that goes to the default "
    "outbound, which cannot carry a tunnel here; the log only says that the bridge started.",
    "Add a rule with the bridge's tag as inboundTag and `full:` with its domain, to the outbound that reaches the portal.",
    is_fixable=True,
)
AFTER_CATCH_ALL = Code(
    "XR302",
    "bridge-after-catch-all",
    "error",
    "The rule for a bridge's domain stands after one that takes all of the bridge's requests.",
    "The first rule that fits decides, so the bridge's own connections go to the service instead of the portal.",
    "Move the rule with the domain before the other.",
    is_fixable=True,
)
CANNOT_CARRY = Code(
    "XR303",
    "bridge-cannot-carry",
    "error",
    "The connections of a bridge are sent to an outbound that cannot carry a tunnel.",
    "`freedom` would look the domain up, which need not exist, `blackhole` and `dns` end it: only an outbound that hands the "
    "name of the target to a server can reach a portal.",
    "Lead it to an outbound such as vmess or vless whose server is the portal's host.",
)
PORT_EXCLUDED = Code(
    "XR304",
    "bridge-port-excluded",
    "error",
    "The rule for a bridge excludes its connections by port or network.",
    "A bridge asks for tcp, its domain and port 0; 0 is not inside 1-65535, and udp is never asked for.",
    "Leave `port` and `network` out of the rule.",
    is_fixable=True,
)
MUX = Code(
    "XR305",
    "bridge-mux",
    "warning",
    "Mux is on at an outbound that carries a bridge.",
    "A tunnel is Mux.cool already; the documentation forbids a second layer on the outbounds it uses.",
    "Set mux.enabled to false there, or use an outbound of its own for the bridge.",
    is_fixable=True,
)
SENT_BACK = Code(
    "XR306",
    "bridge-sends-back",
    "error",
    "What comes through a tunnel is sent back to the portal.",
    "Requests from the portal also carry the bridge's tag as inboundTag. If the rule to the portal does not ask for the domain, "
    "it takes them as well, and they go round in a circle.",
    "Ask for the bridge's domain in the rule to the portal, and add a rule for the rest.",
    is_fixable=True,
)
CAPITALS = Code(
    "XR307",
    "capitals-in-tunnel-domain",
    "warning",
    "The domain of a bridge or portal has capital letters.",
    "A portal compares it byte for byte, routers compare it in lower case or not at all; each core folds case elsewhere.",
    "Write it in lower case, at the bridge, at the portal and in the rules.",
    is_fixable=True,
)
INCOMPLETE = Code(
    "XR308",
    "incomplete-endpoint",
    "error",
    "A bridge or portal has no tag or no domain.",
    "The document loads, and the core does not start.",
    "Give it both.",
)
VLESS_BLOCKED = Code(
    "XR309",
    "reverse-blocked-by-final-rules",
    "error",
    "Everything that comes through a VLESS reverse tunnel is blocked at its way out.",
    "From Xray 26.5.3 on (in another form from 26.4.15) freedom blocks all that comes out of a VLESS reverse tunnel "
    "unless a finalRules entry allows it: the tunnel is up, no byte passes, and nothing says why.",
    'Add `"finalRules": [{"action": "allow", ...}]` for the service to the freedom outbound.',
    is_fixable=True,
)
FINAL_BLOCK = Code(
    "XR310",
    "final-rules-block-bridge",
    "error",
    "finalRules block everything that comes through a tunnel.",
    "The first finalRules entry that fits decides, and an entry without matchers fits everything.",
    "Put an entry that allows the service before the one that blocks.",
)
REVERSE_IN_VNEXT = Code(
    "XR311",
    "reverse-in-vnext",
    "error",
    "`reverse` stands inside vnext.",
    "Xray reads `reverse` of a VLESS outbound in the flat form of its settings only.",
    "Put address, port, id, encryption and reverse straight into settings.",
)

CODES = (
    UNROUTED,
    AFTER_CATCH_ALL,
    CANNOT_CARRY,
    PORT_EXCLUDED,
    MUX,
    SENT_BACK,
    CAPITALS,
    INCOMPLETE,
    VLESS_BLOCKED,
    FINAL_BLOCK,
    REVERSE_IN_VNEXT,
)


def check(view: View, tell: Tell) -> None:
    for endpoint in (*view.bridges, *view.portals):
        _check_endpoint(view, endpoint, tell)
    muxed: dict[int, Outbound] = {}
    for bridge in view.bridges:
        if bridge.tag and bridge.domain:
            found = carriers_of(view, bridge)
            _check_way(view, bridge, found, tell)
            _check_return(view, bridge, found, tell)
            muxed.update((id(one.node.value), one) for outcome in found for one in outcome.outbounds)
            _check_final_rules(view, bridge, tell)
    for outbound in muxed.values():
        enabled = outbound.node.get("mux").get("enabled")
        if enabled.is_true:
            message = f"the outbound {shown(outbound.tag)} carries a bridge and has mux on: a tunnel is multiplexed already"
            tell(MUX, enabled.loc, message, "set it to false", view.source.replace(enabled.loc, value=False))
    _check_vless(view, tell)


def _check_endpoint(view: View, endpoint: Endpoint, tell: Tell) -> None:
    if not isinstance(endpoint.node.value, dict):
        return
    for name, text in (("tag", endpoint.tag), ("domain", endpoint.domain)):
        if not text:
            tell(INCOMPLETE, endpoint.node.get(name).loc, f"the {name} is missing", f"give it a {name}")
    if endpoint.domain != endpoint.domain.lower():
        at = endpoint.node.get("domain").loc
        message = f"{shown(endpoint.domain)} has capital letters, which cores compare in different ways"
        tell(CAPITALS, at, message, "write it in lower case on both sides", view.source.replace(at, endpoint.domain.lower()))


def _check_way(view: View, bridge: Endpoint, found: list[Outcome], tell: Tell) -> None:
    if len(found) > 1 or any(not one.cannot_carry for one in found[0].outbounds) or found[0].portals:
        return
    rule = found[0].rule
    if rule is not None and not found[0].outbounds:
        return  # its tag is dangling, which is told elsewhere
    asked = Asked(bridge.tag, bridge.domain, 0, "tcp", has_client=False)
    named = [outbound.tag for outbound in found[0].outbounds]
    for later in view.rules:
        if not _reaches_carrier(view, later):
            continue
        if rule is not None and later.number > rule.number and fits(later, asked, resolves=False):
            own = f"the connections of the bridge {shown(bridge.tag)}"
            message = f"{rule.label} takes {own} to {shown(named[0])} before {later.label} can"
            edits = view.source.move_before(later.node.loc, rule.node.loc)
            tell(AFTER_CATCH_ALL, later.node.loc, message, f"move it before {rule.label}", edits)
            return
        if fits(later, asked, resolves=False) is False and fits(without(later, "port", "network"), asked, resolves=False):
            _tell_port(view, bridge, later, tell)
            return
    if rule is not None:
        message = f"{rule.label} sends the connections of this bridge to {shown(named[0])}, which leads to no portal"
        tell(CANNOT_CARRY, bridge.node.loc, message, "lead them to the outbound whose server is the portal")
        return
    default = f"the default outbound {shown(named[0])}" if named else "nowhere"
    asks = f"inboundTag {shown(bridge.tag)} and the domain {shown(bridge.domain)}"
    message = f"no rule has {asks}: the bridge's connections go to {default}"
    carriers = [one for one in view.outbounds if one.can_carry and one.tag]
    domain = shown("full:" + bridge.domain)
    fix = f'add a rule with "inboundTag": [{shown(bridge.tag)}], "domain": [{domain}] to the outbound that reaches the portal'
    edits = []
    if len(carriers) == 1 and view.rules:
        edits = view.source.insert_item(view.rules[0].node.loc, _rule_for(bridge, carriers[0].tag))
    tell(UNROUTED, bridge.node.loc, message, fix, edits)


def _rule_for(bridge: Endpoint, tag: str) -> dict[str, object]:
    return {"type": "field", "inboundTag": [bridge.tag], "domain": ["full:" + bridge.domain.lower()], "outboundTag": tag}


def _reaches_carrier(view: View, rule: Rule) -> bool:
    tags = leads_to(view, rule)
    return any(outbound.can_carry and outbound.tag in tags for outbound in view.outbounds)


def _tell_port(view: View, bridge: Endpoint, rule: Rule, tell: Tell) -> None:
    name = "network" if "port" not in rule.matchers or 0 in _lows(rule) else "port"
    node = rule.matchers[name]
    message = f"{rule.label} never fits the bridge {shown(bridge.tag)}, which asks for tcp and port 0"
    if name == "port":
        edits = view.source.replace(node.loc, f"0,{node.value}") if isinstance(node.value, str | int) else []
        tell(PORT_EXCLUDED, node.loc, message, "leave the port out, or begin the list with 0", edits)
    else:
        tell(
            PORT_EXCLUDED,
            node.loc,
            message,
            'leave the network out, or write "tcp,udp"',
            view.source.replace(node.loc, "tcp,udp"),
        )


def _lows(rule: Rule) -> list[int]:
    return [low for low, _ in rule.ports or ()]


def _check_return(view: View, bridge: Endpoint, found: list[Outcome], tell: Tell) -> None:
    """`found` is where the bridge's own connections go; what the portal sends must not go there too."""
    own = [one for outcome in found[:1] for one in outcome.outbounds]
    if not own or not own[0].can_carry:
        return
    ways = outcomes(view, Asked(bridge.tag))
    if not all([one.node.loc for one in way.outbounds] == [own[0].node.loc] for way in ways):
        return
    back = ways[-1]
    where = back.rule.label if back.rule is not None else "the default outbound"
    message = (
        f"all that comes through the bridge {shown(bridge.tag)} goes back to the portal: {where} leads to {shown(own[0].tag)}"
    )
    fix = f"ask for {shown('full:' + bridge.domain)} in the rule to the portal, and lead the rest to the service"
    edits = []
    if back.rule is not None and "domain" not in back.rule.matchers and back.rule.texts("inboundTag") == (bridge.tag,):
        edits = view.source.insert_key(back.rule.node.loc, "domain", ["full:" + bridge.domain.lower()])
    tell(SENT_BACK, (back.rule.node if back.rule is not None else bridge.node).loc, message, fix, edits)


def _exits(view: View, tag: str) -> list[Outbound]:
    """The freedom outbounds that requests with this inboundTag can leave by."""
    found = {
        id(one.node.value): one
        for outcome in outcomes(view, Asked(tag))
        for one in outcome.outbounds
        if one.protocol == "freedom"
    }
    return list(found.values())


def _check_final_rules(view: View, bridge: Endpoint, tell: Tell) -> None:
    for outbound in _exits(view, bridge.tag):
        entry = _blocking_entry(outbound)
        if entry is not None:
            message = f"all that comes through the bridge {shown(bridge.tag)} is blocked at {shown(outbound.tag)}"
            tell(FINAL_BLOCK, entry.loc, message, "put an entry that allows the service before it")


def _blocking_entry(outbound: Outbound) -> Node | None:
    """The entry of finalRules that blocks everything, if nothing is allowed before it."""
    for entry in outbound.settings.get("finalRules").items():
        if entry.get("action").text.lower() == "allow":
            return None
        if not any(entry.get(name).is_given for name in ("network", "port", "ip")):
            return entry
    return None


def _check_vless(view: View, tell: Tell) -> None:
    for outbound in view.outbounds:
        if outbound.protocol != "vless":
            continue
        for entry in outbound.settings.get("vnext").items():
            for node in (entry, *entry.get("users").items()):
                if node.get("reverse").exists:
                    tell(
                        REVERSE_IN_VNEXT,
                        node.get("reverse").loc,
                        "`reverse` is not read inside vnext",
                        "use the flat form of settings",
                        of_key=True,
                    )
        tag = outbound.reverse_tag.text
        is_older = view.core is not None and not view.core.is_xray(since="26.4.15")
        if tag and not is_older:
            for way_out in _exits(view, tag):
                _check_allowed(view, tag, way_out, tell)


def _check_allowed(view: View, tag: str, way_out: Outbound, tell: Tell) -> None:
    allowed = [entry for entry in way_out.settings.get("finalRules").items() if entry.get("action").text.lower() == "allow"]
    if allowed and _blocking_entry(way_out) is None:
        return
    what = f"nothing that comes through the reverse tunnel {shown(tag)}"
    message = f"the outbound {shown(way_out.tag)} allows {what} (Xray 26.5.3 and later)"
    fix = 'add "finalRules": [{"action": "allow", ...}] with the address and port of the service'
    edits = []
    host, colon, port = way_out.settings.get("redirect").text.rpartition(":")
    if colon and port.isdigit() and port != "0" and not way_out.settings.get("finalRules").exists:
        allow: dict[str, object] = {"action": "allow", "port": port}
        if host.replace(".", "").isdigit() and host != "0.0.0.0":
            allow["ip"] = [host]
        edits = view.source.insert_key(way_out.settings.loc, "finalRules", [allow])
    tell(VLESS_BLOCKED, way_out.settings.loc, message, fix, edits)
