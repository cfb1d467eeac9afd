"""One document, running: listeners, router, outbounds, portals and bridges put together; and another in its place."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from proxycore.balancing.observation import Observations
from proxycore.document.inbound_kinds import inbound_kinds
from proxycore.document.model import Document, LoadedDocument
from proxycore.errors import ConfigError, UsageError
from proxycore.logs import AccessLog, open_access_log
from proxycore.net.listen import Listener
from proxycore.protocols.base import Outbound
from proxycore.reverse.bridge import Bridge
from proxycore.reverse.portal import Portal
from proxycore.routing.router import Router
from proxycore.running.applied import Applied
from proxycore.running.balancing import RunningBalancing, prepare_balancing
from proxycore.running.change import Change, Phase
from proxycore.running.ground import Ground
from proxycore.running.inbounds import RunningInbound, prepare_inbounds
from proxycore.running.listen_key import ListenKey
from proxycore.running.listeners import AnyListener, prepare_listeners
from proxycore.running.matching import Key
from proxycore.running.names import RunningNames, prepare_names
from proxycore.running.outbounds import RunningOutbound, prepare_outbounds
from proxycore.running.tunnels import RunningBridge, RunningPortal, prepare_bridges, prepare_portals, prepare_tunnels
from proxycore.running.ways import Ways, prepare_ways

DRAIN_STEP_S = 0.05

_LISTS = frozenset({"inbounds", "outbounds", "reverse"})
"""Sections that are compared entry by entry."""


@dataclass(slots=True)
class Running:
    """What runs of one document. Parts that its successor has too are in both."""

    sections: Mapping[str, object] = field(default_factory=dict)
    router: Router = field(default_factory=lambda: Router.compile((), None))
    outbounds: dict[Key, RunningOutbound] = field(default_factory=dict)
    portals: dict[Key, RunningPortal] = field(default_factory=dict)
    tunnels: dict[str, Portal] = field(default_factory=dict)
    bridges: dict[Key, RunningBridge] = field(default_factory=dict)
    inbounds: dict[Key, RunningInbound] = field(default_factory=dict)
    listeners: dict[ListenKey, AnyListener] = field(default_factory=dict)
    balancing: RunningBalancing | None = None
    names: RunningNames | None = None

    def by_tag(self) -> dict[str, Outbound]:
        """Where rules may send to."""
        found: dict[str, Outbound] = {}
        for outbound in self.outbounds.values():
            found.setdefault(outbound.entry.tag, outbound.outbound)
        found.update((one.entry.tag, one.portal) for one in self.portals.values())
        found.update(self.tunnels)
        return found

    def ways(self, document: Document) -> Ways:
        """By which outbounds bridges reach their portals."""
        return Ways(self.router, document.balancers, self.by_tag(), self.outbounds.values())


class Instance:
    """Runs one document on `loop`, and others after it."""

    def __init__(self, loaded: LoadedDocument, loop: asyncio.AbstractEventLoop) -> None:
        self._loaded = loaded
        self._loop = loop
        self._ground = Ground(loop)
        self._running = Running()
        self._is_stopping = False

    @property
    def loaded(self) -> LoadedDocument:
        """The document that runs, or that `start` is to run."""
        return self._loaded

    @property
    def running(self) -> Running:
        """What runs of it. Only to be read."""
        return self._running

    @property
    def ground(self) -> Ground:
        """What stays while documents come and go."""
        return self._ground

    @property
    def router(self) -> Router:
        return self._running.router

    @property
    def outbounds(self) -> Mapping[str, Outbound]:
        """Those that rules may send to, by tag."""
        return self._ground.outbounds

    @property
    def portals(self) -> list[Portal]:
        return [*(one.portal for one in self._running.portals.values()), *self._running.tunnels.values()]

    @property
    def bridges(self) -> list[Bridge]:
        kept_open = (bridge for one in self._running.outbounds.values() for bridge in one.bridges)
        return [*(one.bridge for one in self._running.bridges.values()), *kept_open]

    async def start(self) -> None:
        """Listen on every port, then start the bridges. All or nothing: what fails leaves nothing listening.

        Raises: ConfigError, a part of the document cannot be run here (a port is taken, say).
        """
        try:
            self.apply(self._loaded)
        except ConfigError:
            self.stop()
            raise

    def apply(self, loaded: LoadedDocument) -> Applied:
        """Run `loaded` instead of what runs now, within this turn of the loop.

        What is the same in both stays as it is, with its connections; where only users, certificates or the like differ, the
        listening socket and the connections stay, but not those of credentials that were removed or changed. Sessions of
        replaced outbounds and of removed inbounds go on in what they began with.

        Raises: ConfigError, `loaded` cannot be run here; then nothing has changed.
        """
        if self._is_stopping:
            raise UsageError("the instance is stopping")
        with Change() as change:
            running = self._prepare(loaded, change)
            change.commit()
        self._loaded, self._running = loaded, running
        return change.report.finish()

    async def drain(self, timeout_s: float) -> None:
        """Accept nothing new and open no carriers; return when no client is connected any more, or after `timeout_s`."""
        self._is_stopping = True
        for listener in self._running.listeners.values():
            if isinstance(listener, Listener):
                listener.close()
        for bridge in self.bridges:
            bridge.close()
        end_s = self._loop.time() + timeout_s
        while any(census.open for census in self._ground.client_censuses) and self._loop.time() < end_s:
            await asyncio.sleep(DRAIN_STEP_S)

    @property
    def observations(self) -> Observations:
        """What the observatory knows of outbounds, by tag; empty without one."""
        return self._running.balancing.balancing.observations if self._running.balancing is not None else {}

    def stats(self, *, everything: bool = False) -> dict[str, int]:
        """Counters by the cores' names: those that the document asks for, or all there are."""
        ground = self._ground
        if everything:
            return ground.stats.all_counters()
        return ground.stats.exported(ground.policy) if self._loaded.document.exports_stats else {}

    def stop(self) -> None:
        """End everything now. May be called twice."""
        self._is_stopping = True
        if self._running.balancing is not None:
            self._running.balancing.balancing.stop()
        for listener in self._running.listeners.values():
            listener.close()
        for bridge in self.bridges:
            bridge.stop()
        for portal in self.portals:
            portal.stop()
        for inbound in self._running.inbounds.values():
            inbound.inbound.close()
            inbound.census.end_all()
        if self._running.names is not None:
            self._running.names.close()
        self._ground.stop()

    def _prepare(self, loaded: LoadedDocument, change: Change) -> Running:
        """Build what `loaded` needs besides what runs already, and say what follows."""
        document, old, ground = loaded.document, self._running, self._ground
        self._prepare_access_log(document, change)
        new = Running(loaded.sections, document.router())
        for name in {**old.sections, **loaded.sections}:
            if name not in _LISTS:
                change.report.tell_whole(name, was=old.sections.get(name), now=loaded.sections.get(name))
        change.on_commit(Phase.SWAP, ground.policy.apply, document.policy)
        new.names = prepare_names(document.dns, old.names, ground, change)
        new.outbounds = prepare_outbounds(document.outbounds, old.outbounds, ground, change)
        new.portals = prepare_portals(document.portals, old.portals, ground, change)
        new.tunnels = prepare_tunnels(document.inbounds, old.tunnels, ground, change)
        new.balancing = prepare_balancing(document, old.balancing, ground, change)
        new.router.balancing = new.balancing.balancing
        new.bridges = prepare_bridges(document.bridges, old.bridges, ground, change)
        prepare_ways(
            old.ways(self._loaded.document), new.ways(document),
            [one.bridge for key, one in new.bridges.items() if old.bridges.get(key) is one],
            [one for key, one in new.outbounds.items() if old.outbounds.get(key) is one], change)
        new.inbounds = prepare_inbounds(document.inbounds, old.inbounds, ground, change)
        wanted = (one for inbound in new.inbounds.values() for one in inbound.listens())
        new.listeners = prepare_listeners(wanted, old.listeners, ground, change)
        change.on_commit(Phase.SWAP, ground.set_inbound_kinds, inbound_kinds(document))
        change.on_commit(Phase.SWAP, ground.route, new.router, new.by_tag(), new.tunnels)
        return new

    def _prepare_access_log(self, document: Document, change: Change) -> None:
        """A file is opened anew each time: it may have been moved away, to begin another."""
        log = document.log
        change.on_commit(Phase.SWAP, partial(self._ground.set_logs_dns, logs_dns=log.dns_log))
        before = self._loaded.document.log
        is_same = (log.access, log.mask_address) == (before.access, before.mask_address)
        if self._running.sections and is_same and log.access in ("", "none"):
            return
        try:
            access: AccessLog = open_access_log(log.access, self._loop, log.mask_address)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise ConfigError("log.access", f"{log.access!r} cannot be written: {reason}") from None
        change.on_undo(access.close)
        change.on_commit(Phase.SWAP, self._ground.set_access_log, access)
