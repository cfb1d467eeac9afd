"""Portals and bridges as messages/state.py has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from proxycore.live.carriers import Carriers, Looked
from proxycore.messages.state import BridgeState, PortalState
from proxycore.reverse.bridge import Bridge
from proxycore.reverse.portal import Portal
from proxycore.stats import Traffic

if TYPE_CHECKING:
    from proxycore.instance import Instance

OneT = TypeVar("OneT", Portal, Bridge)


def portals_by_tag(instance: Instance) -> dict[str, list[Portal]]:
    """The portal of now first, then those that still go on under its tag."""
    return _by_tag([*instance.portals, *(one for one in instance.ground.leaving if isinstance(one, Portal) and one.links)])


def bridges_by_tag(instance: Instance) -> dict[str, list[Bridge]]:
    return _by_tag([*instance.bridges, *(one for one in instance.ground.leaving if isinstance(one, Bridge) and one.links)])


def portal_state(portals: list[Portal], traffic: Traffic, carriers: Carriers) -> PortalState:
    """`portals` have one tag; `traffic` is theirs."""
    first = portals[0]
    looked = carriers.look(link for portal in portals for link in portal.links)
    _mark_leaving(portals, looked, carriers)
    state = PortalState(
        domain=first.domain or "", carriers=looked.carriers, waiting=first.waiting, sessions=looked.sessions,
        opened=traffic.begun, failed=traffic.failed, up=traffic.uplink, down=traffic.downlink)
    if first.is_paused:
        state["paused"] = True
    if first.last_source is not None:
        state["last_peer"] = first.last_source[0]
    if first.last_seen_at is not None:
        state["last_seen"] = carriers.unix(first.last_seen_at)
    if first.last_error:
        state["last_error"] = first.last_error
    return state


def bridge_state(bridges: list[Bridge], traffic: Traffic, carriers: Carriers, via: str) -> BridgeState:
    """`via`: the outbound by which the bridge goes out."""
    first = bridges[0]
    looked = carriers.look(link for bridge in bridges for link in bridge.links if link.is_up)
    _mark_leaving(bridges, looked, carriers)
    state = BridgeState(
        domain=str(first.origin.destination.host), carriers=looked.carriers, sessions=looked.sessions, opened=traffic.begun,
        up=traffic.uplink, down=traffic.downlink, failures=first.failures)
    if first.is_paused:
        state["paused"] = True
    if via:
        state["via"] = via
    if first.last_error:
        state["last_error"] = first.last_error
    if first.last_seen_at is not None:
        state["last_seen"] = carriers.unix(first.last_seen_at)
    if first.retry_at is not None:
        state["retry_at"] = carriers.unix(first.retry_at)
    return state


def _mark_leaving(found: Iterable[Portal | Bridge], looked: Looked, carriers: Carriers) -> None:
    for one in found:
        for link in one.links if one.is_leaving else ():
            if (state := looked.carriers.get(carriers.number(link))) is not None:
                state["leaving"] = True


def _by_tag(found: Iterable[OneT]) -> dict[str, list[OneT]]:
    by_tag: dict[str, list[OneT]] = {}
    for one in found:
        by_tag.setdefault(one.tag, []).append(one)
    return by_tag
