"""The worker's part of WorkerState, read off a running instance about once a second.

What costs is looking at every live stream (`Stats.settle`), some 0.1 µs each while it is idle, and a few system calls per
carrier. What has not changed is the same object as the last time, so that `patch.difference` passes over it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from proxycore.document import model
from proxycore.document.places import parse_path
from proxycore.live.carriers import Carriers
from proxycore.live.tunnels import bridge_state, bridges_by_tag, portal_state, portals_by_tag
from proxycore.messages.state import InboundState, OutboundState, UserState, WorkerState
from proxycore.running.inbounds import RunningInbound
from proxycore.running.outbounds import RunningOutbound
from proxycore.stats import Account, Traffic

if TYPE_CHECKING:
    from proxycore.document.model import LoadedDocument
    from proxycore.instance import Instance

RunningT = TypeVar("RunningT", RunningInbound, RunningOutbound)

MAX_SHOWN_PORTS: Final = 16
"""Of one inbound; a range is one."""


class _Inbound:
    """One inbound, with what was said of it last."""

    __slots__ = ("account", "listen", "protocol", "said", "state", "traffic")

    def __init__(self, running: RunningInbound) -> None:
        self.account = running.account
        self.traffic = running.account.traffics[0]
        self.protocol = running.entry.spec.name
        self.listen = list(_listen(running))
        self.said: tuple[int, ...] = ()
        self.state = InboundState()

    def look(self) -> InboundState:
        traffic = self.traffic
        now = (self.account.count, traffic.begun, traffic.uplink, traffic.downlink)
        if now != self.said:
            self.said = now
            self.state = InboundState(
                protocol=self.protocol, listen=self.listen, open=now[0], accepted=now[1], up=now[2], down=now[3])
        return self.state


class _Outbound:
    __slots__ = ("account", "protocol", "said", "state", "tag")

    def __init__(self, running: RunningOutbound) -> None:
        self.account = running.account
        self.protocol = running.entry.spec.name
        self.tag = running.entry.tag
        self.said: tuple[object, ...] = ()
        self.state = OutboundState()

    def look(self, alive: bool | None, delay_ms: int) -> OutboundState:
        traffic = self.account.traffics[0]
        now = (traffic.uplink, traffic.downlink, alive, delay_ms)
        if now != self.said:
            self.said = now
            self.state = OutboundState(protocol=self.protocol, up=traffic.uplink, down=traffic.downlink)
            if alive is not None:
                self.state["alive"] = alive
                if alive:
                    self.state["delay_ms"] = delay_ms
        return self.state


class LiveTree:
    """Looks at `instance`, whatever document it runs."""

    def __init__(self, instance: Instance, loop_time: Callable[[], float], now: Callable[[], float] = time.time) -> None:
        self._instance = instance
        self.carriers = Carriers(now, loop_time)
        self._loaded: LoadedDocument | None = None      # what the following were made for
        self._inbounds: dict[str, _Inbound] = {}
        self._outbounds: dict[str, _Outbound] = {}
        self._untagged: list[Account] = []
        self._vias: dict[str, str] = {}
        self._gone: dict[Traffic, None] = {}            # of inbounds of before, which have accepted connections too
        self._users: dict[str, UserState] = {}

    def look(self) -> WorkerState:
        """What runs now. The parts of it are not to be changed."""
        instance = self._instance
        if instance.loaded is not self._loaded:
            self._read_document()
        ground, observations = instance.ground, instance.observations
        stats = ground.stats
        stats.settle()
        for account in self._untagged:
            account.settle_all()
        self.carriers.forget_ended()
        inbounds = {key: one.look() for key, one in self._inbounds.items()}
        outbounds = {}
        for key, one in self._outbounds.items():
            seen = observations.get(one.tag) if observations else None
            outbounds[key] = one.look(None, 0) if seen is None else one.look(seen.is_alive, seen.delay_ms)
        portals = {
            tag: portal_state(found, stats.outbound(tag).traffics[0], self.carriers)
            for tag, found in portals_by_tag(instance).items()}
        bridges = {
            tag: bridge_state(found, stats.inbound(tag).traffics[0], self.carriers, self._vias.get(tag, ""))
            for tag, found in bridges_by_tag(instance).items()}
        return WorkerState(
            inbounds=inbounds, outbounds=outbounds, portals=portals, bridges=bridges, users=self._look_at_users(),
            refusals=dict(ground.news.refusals), blocked=dict(ground.blocks.until),
            sessions=sum(one["sessions"] for one in portals.values()) + sum(one["sessions"] for one in bridges.values()),
            connections=sum(one["accepted"] for one in inbounds.values()) + sum(traffic.begun for traffic in self._gone))

    def _look_at_users(self) -> dict[str, UserState]:
        before, found = self._users, {}
        for email, user in self._instance.ground.stats.users.items():
            if user.uplink or user.downlink:
                state = UserState(up=user.uplink, down=user.downlink, online=user.online)
                last = before.get(email)
                found[email] = last if last == state else state
        self._users = found
        return found

    def _read_document(self) -> None:
        instance = self._instance
        running, document = instance.running, instance.loaded.document
        self._loaded = instance.loaded
        self._gone.update((one.traffic, None) for one in self._inbounds.values())
        inbounds = dict(keyed(document.inbounds, running.inbounds.values()))
        outbounds = dict(keyed(document.outbounds, running.outbounds.values()))
        self._inbounds = {key: _Inbound(one) for key, one in inbounds.items()}
        for here in self._inbounds.values():
            self._gone.pop(here.traffic, None)
        self._outbounds = {key: _Outbound(one) for key, one in outbounds.items()}
        self._untagged = [
            *(one.account for one in inbounds.values() if not one.entry.tag),
            *(one.account for one in outbounds.values() if not one.entry.tag)]
        self._vias = dict(self._ways_out())

    def _ways_out(self) -> Iterator[tuple[str, str]]:
        """By which outbound each bridge goes out, as far as can be told."""
        instance = self._instance
        running = instance.running
        ways = running.ways(instance.loaded.document)
        for one in running.bridges.values():
            tags = [outbound.tag for outbound in ways.of(one.bridge.origin)]
            if tags:
                yield one.bridge.tag, tags[0]
        for outbound in running.outbounds.values():
            for bridge in outbound.bridges:
                yield bridge.tag, outbound.entry.tag


def keyed(
    entries: Iterable[model.Inbound | model.Outbound], running: Iterable[RunningT]
) -> Iterator[tuple[str, RunningT]]:
    """Each with its key in the tree: its tag, or `#3`. Both are in the order of the document."""
    for entry, one in zip(entries, running, strict=True):
        yield entry.tag or f"#{parse_path(entry.path)[-1]}", one


def _listen(running: RunningInbound) -> Iterator[str]:
    entry = running.entry
    if not entry.ports:
        yield str(entry.listen)
        return
    host = "*" if entry.listen is None else f"[{entry.listen}]" if ":" in str(entry.listen) else str(entry.listen)
    for first, last in entry.ports[:MAX_SHOWN_PORTS]:
        for network in sorted(running.inbound.networks):
            yield f"{host}:{first}/{network}" if first == last else f"{host}:{first}-{last}/{network}"
    if len(entry.ports) > MAX_SHOWN_PORTS:
        yield "..."
