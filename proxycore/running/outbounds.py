"""Outbounds, and the tunnels that some of them keep open."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from proxycore.destination import Request
from proxycore.document import model
from proxycore.document.stream_settings import PLAIN
from proxycore.mux.pool import MuxPool
from proxycore.net.dial import Dialer
from proxycore.net.limits import Limits
from proxycore.net.resolve import Strategy
from proxycore.protocols.base import Dial, OpenUdp, Outbound, OutboundContext
from proxycore.reverse.bridge import Bridge, OpenCarrier
from proxycore.running.change import Change, Phase
from proxycore.running.ground import Ground
from proxycore.running.matching import Key, keyed, match
from proxycore.send_through import LocalAddress, SendingThrough
from proxycore.stats import Account
from proxycore.transport.chain import ChainedDial
from proxycore.transport.sockopt import Sockopt
from proxycore.transport.stack import client_layers, through_client, with_default


@dataclass(slots=True)
class RunningOutbound:
    """`bridges`: of VLESS's own reverse tunnels, which this outbound keeps open."""

    entry: model.Outbound
    outbound: Outbound
    account: Account
    bridges: list[Bridge] = field(default_factory=list)

    @property
    def dials_through(self) -> str:
        """The tag of the outbound that it reaches its servers by, or empty."""
        return self.entry.proxy_tag or self.entry.stream.sockopt.dialer_proxy


def prepare_outbounds(
    entries: Sequence[model.Outbound], running: Mapping[Key, RunningOutbound], ground: Ground, change: Change
) -> dict[Key, RunningOutbound]:
    """Sessions of an outbound that is replaced or removed go on in it. Raises: ConfigError."""

    def build(entry: model.Outbound, old: RunningOutbound | None) -> RunningOutbound:
        return _build(entry, old, ground, change)

    found, left = match("outbounds", keyed(entries), running, lambda one: one.entry, build, change.report)
    taken_over = {id(bridge) for one in found.values() for bridge in one.bridges}
    for old in left:
        change.on_commit(Phase.RETIRE, old.outbound.close)
        for bridge in old.bridges:
            if id(bridge) not in taken_over:
                change.on_commit(Phase.RETIRE, bridge.retire)
                change.on_commit(Phase.RETIRE, ground.leave, bridge)
    return found


def _build(entry: model.Outbound, old: RunningOutbound | None, ground: Ground, change: Change) -> RunningOutbound:
    bridges: list[Bridge] = []
    bridges_before = {bridge.tag: bridge for bridge in old.bridges} if old is not None else {}

    def keep_tunnel(origin: Request, open_carrier: OpenCarrier) -> None:
        before = bridges_before.pop(origin.inbound_tag, None)
        if before is not None:
            change.on_commit(Phase.START, before.renew, origin, open_carrier)
            bridges.append(before)
            return
        bridge = Bridge(
            origin.inbound_tag, str(origin.destination.host), ground.dispatcher, ground.poller, ground.wheel,
            user=origin.user, level=origin.level, open_carrier=open_carrier,
            account=ground.stats.inbound(origin.inbound_tag), policy=ground.policy, news=ground.news, paused=ground.paused,
        )
        change.on_undo(bridge.stop)
        change.on_commit(Phase.START, bridge.start)
        bridges.append(bridge)

    limits = ground.policy.level(entry.settings.policy_level).target
    account = old.account if old is not None and not entry.tag else ground.stats.outbound(entry.tag)
    address = LocalAddress(entry.send_through) if entry.send_through else None
    dial, open_udp, is_plain = _ways_out(entry, ground, limits, account, address)
    context = OutboundContext(
        entry.tag, entry.path, dial, open_udp, ground.wheel, time.time,
        keep_tunnel=keep_tunnel, dispatcher=ground.dispatcher, names=ground, loop=ground.poller, resolve=ground.resolve,
        inbound_kinds=ground.inbound_kinds, dials_plainly=is_plain, on_blocked=ground.tell_blocked,
    )
    outbound = entry.side.build(entry.settings, context)
    if address is not None and address.of_request:
        outbound = SendingThrough(outbound, address)
    mux = entry.mux
    if mux.enabled:
        outbound = MuxPool(
            outbound, ground.poller, ground.wheel, mux.tcp_concurrency, mux.xudp_concurrency, mux.udp443, ground.policy)
    if entry.target_strategy is not Strategy.AS_IS:
        from proxycore.target_strategy import TargetResolving  # few documents have one

        outbound = TargetResolving(outbound, entry.target_strategy, ground)
    return RunningOutbound(entry, outbound, account, bridges)


def _ways_out(
    entry: model.Outbound, ground: Ground, limits: Limits, account: Account, address: LocalAddress | None
) -> tuple[Dial, OpenUdp, bool]:
    """How this outbound reaches its servers: by a socket, or through another outbound; then up its transport. And how it
    sends datagrams: by a socket, or through that outbound.

    The third is whether there is no more than the socket.
    """
    is_carrier = entry.spec.is_carrier
    stream = entry.stream
    proxy_tag = entry.proxy_tag or stream.sockopt.dialer_proxy
    if proxy_tag:
        chained = ChainedDial(proxy_tag, lambda: ground.outbounds.get(proxy_tag), ground.poller.call_soon, ground.resolve)
        dial: Dial = chained
        open_udp: OpenUdp = chained.datagrams
    else:
        census = ground.carriers if is_carrier else ground.clients
        is_plain = stream.sockopt == PLAIN.sockopt and address is None
        options = None if is_plain else Sockopt(stream.sockopt, address)
        dial = Dialer(
            ground.poller, ground.wheel, census, is_carrier=is_carrier, options=options, resolve=ground.resolve,
            limits=limits, account=account,
            on_unreached=None if is_carrier else partial(ground.tell_unreached, entry.tag)).dial
        open_udp = partial(ground.open_udp, limits, account, options)
    open_udp = with_default(open_udp, stream.sockopt.domain_strategy)
    layers = client_layers(stream, entry.path, ground.wheel)
    return through_client(layers, dial, stream.sockopt.domain_strategy), open_udp, not (proxy_tag or layers)
