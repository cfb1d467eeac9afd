"""Portals and bridges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxycore.document import model
from proxycore.reverse import dialect
from proxycore.reverse.bridge import Bridge
from proxycore.reverse.picking import Picking
from proxycore.reverse.portal import Portal
from proxycore.running.change import Change, Phase
from proxycore.running.ground import Ground
from proxycore.running.matching import Key, keyed, match


@dataclass(slots=True)
class RunningPortal:
    entry: model.Portal
    portal: Portal


@dataclass(slots=True)
class RunningBridge:
    entry: model.Bridge
    bridge: Bridge


def prepare_portals(
    entries: Sequence[model.Portal], running: Mapping[Key, RunningPortal], ground: Ground, change: Change
) -> dict[Key, RunningPortal]:
    """A portal that is replaced or removed asks its bridges for other carriers, and keeps those that it has for what runs."""

    kept: list[Portal] = []

    def build(entry: model.Portal, old: RunningPortal | None) -> RunningPortal:
        picking = Picking(
            entry.picking.policy, entry.picking.weights, entry.picking.primary, entry.picking.slow_start,
            entry.picking.eject_after, entry.picking.eject_for)
        if old is not None and (old.entry.domain, old.entry.dialect) == (entry.domain, entry.dialect):
            kept.append(old.portal)         # nothing that its carriers would notice
            change.on_commit(Phase.SWAP, old.portal.use, picking, entry.stall_timeout_s)
            return RunningPortal(entry, old.portal)
        fixed = None if entry.dialect == "auto" else entry.dialect
        portal = Portal(
            entry.tag, entry.domain, ground.poller, ground.wheel, fixed, account=ground.stats.outbound(entry.tag),
            policy=ground.policy, picking=picking, stall_s=entry.stall_timeout_s, news=ground.news, paused=ground.paused)
        change.on_undo(portal.stop)
        return RunningPortal(entry, portal)

    found, left = match("portals", keyed(entries), running, lambda one: one.entry, build, change.report)
    for old in left:
        if old.portal not in kept:
            _retire(old.portal, ground, change)
    return found


def prepare_tunnels(
    inbounds: Sequence[model.Inbound], running: Mapping[str, Portal], ground: Ground, change: Change
) -> dict[str, Portal]:
    """The outbounds of tunnels that clients of inbounds open, by tag; the same for all inbounds that name it."""
    found: dict[str, Portal] = {}
    for inbound in inbounds:
        for tag in inbound.settings.provides_outbound_tags():
            if tag in found:
                continue
            tunnel = running.get(tag)
            change.report.tell("tunnels", "added" if tunnel is None else "kept", tag)
            if tunnel is None:
                tunnel = Portal(
                    tag, None, ground.poller, ground.wheel, dialect.XRAY_25_9, tells_addresses=True,
                    account=ground.stats.outbound(tag), policy=ground.policy, news=ground.news, paused=ground.paused)
                change.on_undo(tunnel.stop)
            found[tag] = tunnel
    for tag, tunnel in running.items():
        if tag not in found:
            change.report.tell("tunnels", "removed", tag)
            _retire(tunnel, ground, change)
    return found


def prepare_bridges(
    entries: Sequence[model.Bridge], running: Mapping[Key, RunningBridge], ground: Ground, change: Change
) -> dict[Key, RunningBridge]:
    """A bridge that is replaced or removed takes no more sessions, and keeps its carriers for those that it has."""

    def build(entry: model.Bridge, _old: RunningBridge | None) -> RunningBridge:
        bridge = Bridge(
            entry.tag, entry.domain, ground.dispatcher, ground.poller, ground.wheel, account=ground.stats.inbound(entry.tag),
            stall_s=entry.stall_timeout_s, policy=ground.policy, news=ground.news, paused=ground.paused)
        change.on_undo(bridge.stop)
        change.on_commit(Phase.START, bridge.start)
        return RunningBridge(entry, bridge)

    found, left = match("bridges", keyed(entries), running, lambda one: one.entry, build, change.report)
    for old in left:
        change.on_commit(Phase.RETIRE, old.bridge.retire)
        change.on_commit(Phase.RETIRE, ground.leave, old.bridge)
    return found


def _retire(portal: Portal, ground: Ground, change: Change) -> None:
    change.on_commit(Phase.RETIRE, portal.retire)
    change.on_commit(Phase.RETIRE, ground.leave, portal)
