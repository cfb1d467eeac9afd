"""Inbounds, and whose connections they accepted."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from proxycore.blocks import Blocks
from proxycore.dispatcher import InboundDispatcher
from proxycore.document import model
from proxycore.document.stream_settings import PLAIN
from proxycore.errors import LinkDown
from proxycore.net.dial import Dialer
from proxycore.net.failure_log import FailureLog
from proxycore.net.limits import Limits
from proxycore.net.socket_stream import Census
from proxycore.net.unix import UnixAddress
from proxycore.protocols.base import Inbound, InboundContext
from proxycore.running.change import Change, Phase
from proxycore.running.ground import Ground
from proxycore.running.listen_key import ListenKey
from proxycore.running.listeners import Served
from proxycore.running.matching import Key, keyed, match
from proxycore.stats import Account
from proxycore.transport.base import ServerLayer
from proxycore.transport.sockopt import Sockopt
from proxycore.transport.stack import server_layers, through_server


@dataclass(slots=True)
class RunningInbound:
    """`census`: the connections that it accepted, also under earlier settings."""

    entry: model.Inbound
    inbound: Inbound
    layers: list[ServerLayer]
    census: Census
    limits: Limits
    account: Account
    blocks: Blocks
    failures: FailureLog        # of its layers

    def listens(self) -> Iterator[tuple[ListenKey, Served]]:
        """The sockets that it wants to be served by."""
        entry = self.entry
        is_unix = isinstance(entry.listen, UnixAddress)
        sockopt = None if is_unix or entry.stream.sockopt == PLAIN.sockopt else Sockopt(entry.stream.sockopt)
        guard = self.blocks.guard
        accept = guard(entry.tag, self.inbound.accept)
        if self.layers:             # a PROXY header, say, tells another source
            accept = guard(entry.tag, through_server(self.layers, accept, self.failures))
        served = Served(
            entry.tag or entry.path, f"{entry.path}.{'listen' if is_unix else 'port'}", accept,
            self.blocks.guard_packets(entry.tag, self.inbound.accept_packets),
            self.census, entry.spec.is_carrier, sockopt, self.limits, self.account,
            entry.listen if isinstance(entry.listen, UnixAddress) else None)
        if isinstance(entry.listen, UnixAddress):
            yield ListenKey(entry.listen.name, 0, "unix"), served
        address = "" if entry.listen is None else str(entry.listen)
        for first, last in entry.ports:
            for port in range(max(first, 1), last + 1):
                for network in sorted(self.inbound.networks):
                    options = None
                    if sockopt is not None:
                        options = sockopt.listen_key if network == "tcp" else sockopt.datagram_key
                    yield ListenKey(address, port, network, options), served


def prepare_inbounds(
    entries: Sequence[model.Inbound], running: Mapping[Key, RunningInbound], ground: Ground, change: Change
) -> dict[Key, RunningInbound]:
    """One that is replaced hands on what it remembers of its clients. Raises: ConfigError."""

    def build(entry: model.Inbound, old: RunningInbound | None) -> RunningInbound:
        dialer = Dialer(
            ground.poller, ground.wheel, ground.clients, is_carrier=False, resolve=ground.resolve,
            limits=ground.policy.level(0).target)
        limits = ground.policy.level(entry.settings.policy_level).client
        account = old.account if old is not None and not entry.tag else ground.stats.inbound(entry.tag)
        port = max(entry.ports[0][0], 1) if entry.ports else 0
        context = InboundContext(
            entry.tag, entry.path, _dispatcher(entry, ground), ground.wheel, time.time, port,
            join_tunnel=ground.join_tunnel, dial=dialer.dial, dial_unix=dialer.dial_unix, ports=entry.ports, policy=ground.policy,
            on_failure=ground.news.handshake_failed, memory=ground.memory,
        )
        failures = FailureLog(entry.tag, ground.wheel, ground.news.handshake_failed)
        inbound: Inbound = entry.side.build(entry.settings, context)
        if old is None:
            layers = server_layers(entry.stream, entry.path, ground.wheel)
            return RunningInbound(entry, inbound, layers, Census(), limits, account, ground.blocks, failures)
        is_same_transport = old.entry.stream == entry.stream
        layers = old.layers if is_same_transport else server_layers(entry.stream, entry.path, ground.wheel)
        new = RunningInbound(entry, inbound, layers, old.census, limits, account, ground.blocks, failures)
        change.on_commit(Phase.SWAP, _take_over, new, old)
        change.on_commit(Phase.RETIRE, _end_strangers, new, change)
        return new

    found, left = match("inbounds", keyed(entries, _known_by), running, lambda one: one.entry, build, change.report)
    for old in left:
        change.on_commit(Phase.RETIRE, old.inbound.close)
    clients = [one.census for one in found.values() if not one.entry.spec.is_carrier]
    change.on_commit(Phase.SWAP, ground.count_clients, clients)
    return found


def _dispatcher(entry: model.Inbound, ground: Ground) -> InboundDispatcher:
    if entry.sniffing is None:
        return ground.inbound_dispatcher
    from proxycore.sniff.dispatching import SniffingDispatcher  # a start without sniffing is not to wait for it

    sniffing = SniffingDispatcher(ground.dispatcher, entry.sniffing, ground.poller)
    return InboundDispatcher(sniffing, ground.poller, ground.wheel, ground.policy)


def _known_by(entry: model.Inbound) -> Hashable:
    """An inbound without a tag is known by where it listens."""
    return entry.tag or (entry.listen, entry.ports)


def _take_over(new: RunningInbound, old: RunningInbound) -> None:
    if type(new.inbound) is type(old.inbound):
        new.inbound.take_over(old.inbound)


def _end_strangers(running: RunningInbound, change: Change) -> None:
    """End the connections of credentials that the inbound knows no more."""
    for stream in tuple(running.census.open):
        if stream.owner is not None and not running.inbound.admits(stream.owner):
            stream.fail(LinkDown("its credential was removed or changed"))
            change.report.ended_connections += 1
