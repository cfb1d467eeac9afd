"""From the public end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from proxycore.balancing.balancer import select
from proxycore.destination import Destination, Request
from proxycore.diagnosis.steps import Steps
from proxycore.messages.events import Refusal
from proxycore.reverse.portal import Portal

if TYPE_CHECKING:
    from proxycore.instance import Instance
    from proxycore.running.inbounds import RunningInbound

PROBE_NAME: Final = "probe.invalid"
PROBE_PORT: Final = 80
MAX_SHOWN: Final = 6

_CAUSES: Final[dict[str, tuple[str, str]]] = {
    Refusal.UNKNOWN_USER: (
        "the bridge has an id that no client of this inbound has",
        "copy the client's id from here into the bridge's outbound"),
    Refusal.CLOCK: (
        "the clocks of the two hosts differ by more than two minutes: VMess refuses that",
        "set the clock of the one that is wrong (NTP), or use VLESS, which needs none"),
    Refusal.REPLAY: ("somebody repeats what a bridge said before", "nothing to do, unless it is your own test"),
    Refusal.MALFORMED: (
        "what comes there does not speak this protocol",
        "give both sides the same protocol, security and transport; scanners of the internet are refused so, too"),
    Refusal.TLS: (
        "the TLS handshake fails", "compare security and certificates of both sides: perhaps one has TLS and the other has not"),
    Refusal.TIMEOUT: (
        "connections come and say nothing", "a port scanner, or a bridge with another security or transport"),
    Refusal.WRONG_DOMAIN: (
        "a bridge asks for a domain that no portal here has",
        "give portal and bridge the same domain, to the letter"),
}


def diagnose_portal(instance: Instance, portal: Portal, steps: Steps) -> None:
    inbounds = list(instance.running.inbounds.values())
    _entry(instance, portal, inbounds, steps)
    _carrier_inbound(instance, portal, inbounds, steps)
    if not _bridges(instance, portal, steps):
        return
    _control(portal, steps)


def _entry(instance: Instance, portal: Portal, inbounds: list[RunningInbound], steps: Steps) -> None:
    title = "An inbound leads clients to the tunnel"
    ways = {_name(one): _goes(instance, _client(one)) for one in inbounds}
    leading = [one for one in inbounds if portal.tag in ways[_name(one)]]
    if not leading:
        seen = "; ".join(f"{name} leads to {' or '.join(tags) or 'nothing'}" for name, tags in ways.items())
        steps.failed(
            "entry", title, seen or "there is no inbound", f"no rule leads an inbound to {portal.tag}",
            f'add a rule: inboundTag of the public inbound, outboundTag "{portal.tag}"')
        return
    public = [one for one in leading if not (one.entry.spec.is_carrier and _carries(instance, portal, one))]
    if not public:
        others = "; ".join(f"{_name(one)} leads to {' or '.join(ways[_name(one)])}" for one in inbounds if one not in leading)
        steps.warn(
            "entry", title, f"only {', '.join(map(_name, leading))}, which bridges come by{f' ({others})' if others else ''}",
            "clients would have to speak that protocol to come in",
            f'add a rule: inboundTag of the public inbound, outboundTag "{portal.tag}"')
        return
    steps.ok("entry", title, f"listening: {'; '.join(f'{_name(one)} on {_ports(one)}' for one in public[:MAX_SHOWN])}")


def _carries(instance: Instance, portal: Portal, inbound: RunningInbound) -> bool:
    """Whether bridges that come by it are led to the portal by its domain."""
    if portal.domain is None:
        return False
    return portal.tag in _goes(instance, Request(Destination("tcp", portal.domain, 0), inbound.entry.tag))


def _client(inbound: RunningInbound) -> Request:
    """What a client of it would ask for, as far as can be told."""
    settings = inbound.entry.settings
    host, port = getattr(settings, "address", None), getattr(settings, "port", None)
    return Request(Destination("tcp", host or PROBE_NAME, port or PROBE_PORT), inbound.entry.tag)


def _goes(instance: Instance, request: Request) -> list[str]:
    """The outbounds that carry it, or may."""
    rule = instance.router.first_match(request)
    if rule is None:
        return [instance.router.default_tag] if instance.router.default_tag is not None else []
    if rule.outbound_tag:
        return [rule.outbound_tag]
    plans = [plan for plan in instance.loaded.document.balancers if plan.tag == rule.balancer_tag]
    return [tag for plan in plans for tag in select(tuple(instance.outbounds), plan.selector)]


def _name(inbound: RunningInbound) -> str:
    return inbound.entry.tag or inbound.entry.path


def _ports(inbound: RunningInbound) -> str:
    return ", ".join(sorted({str(key.port or key.address) for key, _ in inbound.listens()})[:MAX_SHOWN])


def _carrier_inbound(instance: Instance, portal: Portal, inbounds: list[RunningInbound], steps: Steps) -> None:
    title = "An inbound lets bridges in, and a rule leads them to the portal"
    if portal.domain is None:
        opening = [one for one in inbounds if portal.tag in one.entry.settings.provides_outbound_tags()]
        names = ", ".join(map(_name, opening))
        steps.ok("carrier", title, f"clients of {names} with reverse.tag {portal.tag} open the tunnel")
        return
    carrying = [one for one in inbounds if one.entry.spec.is_carrier]
    if not carrying:
        steps.failed(
            "carrier", title, "there is no inbound of a protocol that a bridge could come by",
            "a bridge needs an inbound with vmess, vless or the like",
            "add a VLESS or VMess inbound with a client for the bridge")
        return
    fitting = [one for one in carrying if _carries(instance, portal, one)]
    if not fitting:
        ways = {_name(one): _goes(instance, Request(Destination("tcp", portal.domain, 0), one.entry.tag)) for one in carrying}
        where = "; ".join(f"{name}: to {' or '.join(tags) or 'nothing'}" for name, tags in ways.items())
        steps.failed(
            "carrier", title, f'what asks for "{portal.domain}" goes elsewhere ({where})',
            "bridges that come are not led to the portal",
            f'add a rule before the others: inboundTag of the carriers\' inbound, domain "full:{portal.domain}", '
            f'outboundTag "{portal.tag}"')
        return
    steps.ok("carrier", title, ", ".join(f"{_name(one)} ({one.entry.spec.name}, {_ports(one)})" for one in fitting[:MAX_SHOWN]))


def _bridges(instance: Instance, portal: Portal, steps: Steps) -> bool:
    title = "A bridge is connected"
    usable = [link for link in portal.links if not link.carrier.ended]
    if usable:
        now = asyncio.get_running_loop().time()
        shown = [
            f"from {link.source[0] if link.source else 'somewhere'} for {now - link.registered_at:.0f} s"
            for link in usable[:MAX_SHOWN]
        ]
        steps.ok("bridge", title, f"{len(usable)} carrier{'s' if len(usable) > 1 else ''}: {', '.join(shown)}")
        return True
    refused = {reason: count for reason, count in instance.ground.news.refusals.items() if reason in _CAUSES}
    if refused:
        reason = max(refused, key=lambda one: refused[one])
        counted = ", ".join(f"{one.replace('_', ' ')} {count}" for one, count in sorted(refused.items(), key=lambda row: -row[1]))
        cause, remedy = _CAUSES[reason]
        steps.failed("bridge", title, f"nobody; refused since the start: {counted}", cause, remedy)
    else:
        steps.failed(
            "bridge", title, "nobody, and nobody was refused either",
            "nothing arrives here: the bridge does not run, dials another address or port, or a firewall stands between",
            "look at the bridge's end: Diagnose there says where its way ends")
    return False


def _control(portal: Portal, steps: Steps) -> None:
    title = "The control session is understood"
    live = [link for link in portal.links if not link.carrier.ended]
    dialects = sorted({link.dialect for link in live})
    if all(link.control is None and not link.is_draining for link in live):
        steps.failed(
            "control", title, f"{', '.join(dialects)} was tried last", "the bridge's core understands none of the dialects",
            'set the portal\'s "dialect", if you know what its core speaks')
        return
    steps.ok("control", title, f"in use: {', '.join(dialects)}")
