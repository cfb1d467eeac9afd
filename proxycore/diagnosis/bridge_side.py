"""From the end that dials out."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from proxycore.destination import Destination, IPAddress, Request, ip_text, parse_host
from proxycore.diagnosis.steps import Steps
from proxycore.diagnosis.trying import TIMEOUT_S, try_to_open
from proxycore.document import model
from proxycore.errors import ConfigError, ProxyError
from proxycore.net.dial import Dialer
from proxycore.net.limits import DEFAULT_LIMITS
from proxycore.reverse.bridge import Bridge, BridgeLink
from proxycore.stream import Stream
from proxycore.transport.stack import client_layers, through_client

if TYPE_CHECKING:
    from proxycore.instance import Instance

ANSWER_S: Final = 6.0
LOOK_S: Final = 0.05
DIRECT: Final = frozenset({"freedom", "blackhole", "dns", "loopback"})
"""Protocols that lead to no server which could be a portal's."""


async def diagnose_bridge(instance: Instance, bridge: Bridge, target: str, steps: Steps) -> None:
    """`target` is host:port of what is to be reached from here, or empty."""
    entry = _way(instance, bridge, steps)
    if entry is not None and await _reach(instance, entry, steps):
        await _answer(bridge, entry, steps)
    if not steps.has_failed:
        await _target(instance, bridge, target, steps)


def _way(instance: Instance, bridge: Bridge, steps: Steps) -> model.Outbound | None:
    """The outbound by which the bridge goes out."""
    title = "A rule leads the bridge to its portal"
    own = next((one.entry for one in instance.running.outbounds.values() if bridge in one.bridges), None)
    if own is not None:
        steps.ok("route", title, f"it is the tunnel of outbound {own.tag} itself")
        return own
    explained = instance.router.explain(bridge.origin)[-1]
    tag = instance.router.pick(bridge.origin)
    entry = next((one.entry for one in instance.running.outbounds.values() if one.entry.tag == tag), None)
    if entry is None or entry.spec.name in DIRECT:
        domain = bridge.origin.destination.host
        where = f"outbound {entry.tag} ({entry.spec.name})" if entry is not None else tag or "nothing"
        steps.failed(
            "route", title, f"{explained.label}: {explained.why}",
            f'what asks for "{domain}" goes to {where}, which leads to no portal',
            f'add a rule before all others: inboundTag "{bridge.tag}", domain "full:{domain}", '
            "outboundTag of the outbound to the portal")
        return None
    steps.ok("route", title, f"outbound {entry.tag} ({entry.spec.name}): {explained.why}")
    return entry


async def _reach(instance: Instance, entry: model.Outbound, steps: Steps) -> bool:
    """Name, TCP, and what stands on it up to the protocol."""
    server = _server(entry)
    if server is None:
        steps.skipped("dns", "The portal's name has an address", f"outbound {entry.tag} names no server")
        return True
    through = entry.proxy_tag or entry.stream.sockopt.dialer_proxy
    if through:
        steps.skipped("tcp", "The portal's port answers", f"it is reached through outbound {through}")
        return True
    return await _resolve(instance, entry, server, steps) and await _connect(instance, entry, server, steps)


def _server(entry: model.Outbound) -> Destination | None:
    servers = getattr(entry.settings, "servers", None)
    if not servers:
        return None
    return Destination("tcp", parse_host(servers[0].address), servers[0].port)


async def _resolve(instance: Instance, entry: model.Outbound, server: Destination, steps: Steps) -> bool:
    title = "The portal's name has an address"
    if not isinstance(server.host, str):
        steps.ok("dns", title, f"it is an address: {ip_text(server.host)}")
        return True
    loop = asyncio.get_running_loop()
    begin = loop.time()
    try:
        found = await asyncio.wait_for(instance.ground.resolve(server.host, entry.stream.sockopt.domain_strategy), TIMEOUT_S)
    except (ProxyError, TimeoutError) as error:
        why = str(error) or f"no answer within {TIMEOUT_S:g} s"
        steps.failed(
            "dns", title, why, f"{server.host} cannot be resolved on this host",
            f"correct the address of outbound {entry.tag}, or this host's name server; an IP address works too",
            (loop.time() - begin) * 1000)
        return False
    steps.ok("dns", title, f"{server.host}: {', '.join(map(_text, found[:4]))}", (loop.time() - begin) * 1000)
    return True


async def _connect(instance: Instance, entry: model.Outbound, server: Destination, steps: Steps) -> bool:
    ground = instance.ground
    dial = Dialer(
        ground.poller, ground.wheel, ground.carriers, is_carrier=True, resolve=ground.resolve, limits=DEFAULT_LIMITS).dial

    def open_tcp(probe: Stream) -> None:
        stream = dial(server, entry.stream.sockopt.domain_strategy)
        probe.peer, stream.peer = stream, probe

    tried = await try_to_open(open_tcp)
    title = f"The portal's port answers ({_host_port(server)})"
    if tried.error:
        steps.failed("tcp", title, tried.error, *_tcp_cause(tried.error, server, entry), tried.ms)
        return False
    steps.ok("tcp", title, "connected", tried.ms)
    try:
        layers = client_layers(entry.stream, entry.path, ground.wheel)
    except ConfigError as error:
        steps.failed("transport", "Its transport can be built", str(error), error.reason, "correct the outbound's streamSettings")
        return False
    if not layers:
        return True

    def open_layers(probe: Stream) -> None:
        stream = through_client(layers, dial, entry.stream.sockopt.domain_strategy)(server)
        probe.peer, stream.peer = stream, probe

    tried = await try_to_open(open_layers)
    what = " and ".join(_layer_names(entry))
    title = f"{what} with the portal"
    if tried.error:
        steps.failed("transport", title, tried.error, *_transport_cause(tried.error, entry), tried.ms)
        return False
    steps.ok("transport", title, "the handshake went well", tried.ms)
    return True


def _layer_names(entry: model.Outbound) -> list[str]:
    names = ["TLS"] if entry.stream.security == "tls" else []
    more = {"ws": "WebSocket", "httpupgrade": "HTTPUpgrade"}.get(entry.stream.network)
    return [*names, *([more] if more else [])] or ["The transport"]


def _tcp_cause(error: str, server: Destination, entry: model.Outbound) -> tuple[str, str]:
    words = error.lower()
    if "refused" in words:
        return ("that host is there, but nothing listens on this port",
                f"start the portal, or correct the port of outbound {entry.tag}: it is that of the portal's inbound for bridges")
    if "unreachable" in words or "no route" in words:
        return "this host has no way to that address", "look at this host's network, or use another address of the portal"
    return ("packets are dropped on the way: a firewall, a wrong address, or a host that is off",
            f"open {_host_port(server)} in the portal's firewall and at its provider; try it from another network")


def _transport_cause(error: str, entry: model.Outbound) -> tuple[str, str]:
    words = error.lower()
    name = entry.stream.tls_settings.server_name if entry.stream.security == "tls" else ""
    if "mismatch" in words or "not valid for" in words or "doesn't match" in words:
        return (f"the portal's certificate is for another name{f' than {name}' if name else ''}",
                "set tlsSettings.serverName to a name that the certificate has, or get a certificate for this one")
    if ("self" in words and "signed" in words) or "unable to get local issuer" in words or "verif" in words:
        return ("the portal's certificate is signed by nobody whom this host trusts",
                "pin it (pinnedPeerCertSha256), or use a certificate of a public authority")
    if "expired" in words:
        return "the portal's certificate has expired", "renew it at the portal"
    if "404" in words or "400" in words or "answered" in words:
        return ("the server on that port is another one, or has another path or host",
                "compare path and host of both sides' wsSettings or httpupgradeSettings")
    return ("the two sides do not have the same security or transport",
            "compare security and network of both sides' streamSettings: they have to be equal")


async def _answer(bridge: Bridge, entry: model.Outbound, steps: Steps) -> None:
    """Whether the portal takes the carrier: it opens a control session on it at once."""
    title = "The portal takes the bridge"
    up = next((link for link in bridge.links if link.is_up and link.is_active), None)
    if up is not None:
        age_s = asyncio.get_running_loop().time() - up.opened_at
        steps.ok("answer", title, f"connected since {age_s:.0f} s")
        _control(up, steps)
        return
    bridge.try_now()
    loop = asyncio.get_running_loop()
    begin, watched = loop.time(), list(bridge.links)
    while loop.time() - begin < ANSWER_S:
        watched += [link for link in bridge.links if link not in watched]
        up = next((link for link in watched if link.is_up), None)
        if up is not None:
            steps.ok("answer", title, "it was gone, and has just connected again", (loop.time() - begin) * 1000)
            _control(up, steps)
            return
        if watched and all(link.carrier.ended for link in watched):
            break
        await asyncio.sleep(LOOK_S)
    error = next((str(link.carrier.error) for link in reversed(watched) if link.carrier.error is not None), "")
    seen = error or f"the connection stands, and the portal says nothing for {ANSWER_S:g} s"
    domain = bridge.origin.destination.host
    steps.failed(
        "answer", title, seen,
        f"the portal's core does not know this id, its clock is off by more than two minutes, or no portal there has the domain "
        f'"{domain}"',
        f"compare the id of outbound {entry.tag} with the clients of the portal's inbound, the domain with reverse.portals there "
        "(capital letters count), and the clocks; the portal's log and Diagnose there say which it is",
        (loop.time() - begin) * 1000)


def _control(link: BridgeLink, steps: Steps) -> None:
    title = "The control session is understood"
    if link.dialect:
        steps.ok("control", title, f"the portal speaks {link.dialect}")
    else:
        steps.warn("control", title, "the portal has opened no control session yet",
                   "a core that speaks none of the known dialects, or that has only just connected")


async def _target(instance: Instance, bridge: Bridge, target: str, steps: Steps) -> None:
    title = "The target answers"
    if not target:
        steps.skipped("target", title, "where a client goes is said by the client; name a target to try it")
        return
    host, _, port = target.rpartition(":")
    request = Request(Destination("tcp", parse_host(host), int(port)), bridge.tag)
    if instance.router.wants_addresses(request):
        steps.skipped("target", title, f"where {target} goes is decided by its addresses")
        return
    explained = instance.router.explain(request)[-1]
    tag = instance.router.pick(request)
    entry = next((one.entry for one in instance.running.outbounds.values() if one.entry.tag == tag), None)
    if entry is None or entry.spec.name == "blackhole":
        steps.failed(
            "target", title, explained.why, f"what comes through the tunnel goes to {tag or 'nothing'}, which swallows it",
            f'add a rule: inboundTag "{bridge.tag}", outboundTag of a freedom outbound')
        return
    tried = await try_to_open(partial(instance.ground.dispatcher.dispatch, request))
    by = f"by outbound {entry.tag}: {explained.why}"
    if tried.error:
        steps.failed("target", f"{title} ({target})", f"{tried.error} ({by})", *_target_cause(tried.error, target), tried.ms)
    else:
        steps.ok("target", f"{title} ({target})", f"connected, {by}", tried.ms)


def _target_cause(error: str, target: str) -> tuple[str, str]:
    words = error.lower()
    if "refused" in words:
        return (f"nothing listens at {target}, as seen from the bridge's host",
                "start the service, or correct the address: 127.0.0.1 is the bridge's host itself")
    if "blocked" in words or "forbid" in words or "finalrules" in words:
        return "a rule of the freedom outbound forbids it", "allow it in the outbound's finalRules"
    return (f"{target} does not answer the bridge's host",
            "look whether the service runs, whether its firewall lets this host in, and whether the address is right")


def _host_port(destination: Destination) -> str:
    return str(destination).removeprefix("tcp:")


def _text(address: IPAddress) -> str:
    return ip_text(address)
