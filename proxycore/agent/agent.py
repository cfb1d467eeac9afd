"""What puts the parts together: instances from the disk at once, the link, and what the panel says on it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from proxycore import __version__, tasks
from proxycore.agent.asks import THIS_AGENT, Asks
from proxycore.agent.counters import Counts, Place
from proxycore.agent.documents import Documents, Record
from proxycore.agent.link import Link
from proxycore.agent.log_ring import Line, LogRing
from proxycore.agent.node_instance import NodeInstance
from proxycore.agent.outbox import Outbox
from proxycore.agent.panel_address import PanelAddress
from proxycore.agent.spool import Spool, Worker
from proxycore.agent.state_dir import StateDir
from proxycore.agent.traffic import TrafficKeeper
from proxycore.agent.usage import HostUsage
from proxycore.agent.worker_process import COMMAND
from proxycore.messages.events import Event
from proxycore.messages.link import Ask, Confirm, Hello, Running, TrafficKept, Wanted, Welcome

TICK_S: Final = 1.0
CLOCK_OFF_S: Final = 30.0
"""VMess refuses clients whose clock is off by two minutes; half of it may be the other side's."""

_log = logging.getLogger("xrev.agent")


class Agent:
    """Has the state directory, which is open, and everything in it."""

    def __init__(
        self, state_dir: StateDir, address: PanelAddress, identity: str, *, drain_s: float, command: Sequence[str] = COMMAND
    ) -> None:
        self._state_dir = state_dir
        self._drain_s = drain_s
        self._command = command
        self._boot = secrets.token_hex(8)
        self._since = time.time()
        self._host = HostUsage()
        self._documents = Documents(state_dir.documents)
        self._spool = Spool(state_dir.spool, self._boot)
        self._traffic = TrafficKeeper(self._spool)
        self._instances: dict[int, NodeInstance] = {}
        self._outbox = Outbox(self._state, self._spool.waiting)
        self.log = LogRing()
        self._asks = Asks(self._instances, self.log, self._outbox.tell)
        self._link = Link(address, identity, self._outbox, self)

    async def run(self) -> bool:
        """Until cancelled; or until the panel revokes the node: True, and nothing of it is left."""
        await self._begin(is_paused=self._state_dir.is_paused)
        ticking = tasks.spawn("tick", self._tick())
        try:
            await self._link.run()
        finally:
            self._asks.forget()
            ticking.cancel()
        await self.stop(0)
        self._state_dir.forget()
        return True

    async def stop(self, drain_s: float | None = None) -> None:
        """All workers end, in `drain_s` at most; what they moved is kept."""
        limit_s = self._drain_s if drain_s is None else drain_s
        await asyncio.gather(*(instance.stop(limit_s) for instance in self._instances.values()))
        self._close()

    async def leave(self) -> None:
        """The workers go on, and the next agent finds them."""
        await asyncio.gather(*(instance.leave() for instance in self._instances.values()))
        self._close()

    def _close(self) -> None:
        self._traffic.flush(self._instances.values())
        self._spool.close()

    def hurry(self) -> None:
        """Workers that are stopping end at once."""
        for instance in self._instances.values():
            instance.hurry()

    async def _begin(self, *, is_paused: bool) -> None:
        if is_paused:
            _log.warning("the panel had paused this node: nothing is started before it says otherwise")
        for record in self._documents.load():
            self._instances[record.instance] = self._instance(record)
        for path in self._state_dir.run.glob("*.sock"):         # workers of instances that nobody knows any more
            if path.stem.isdecimal() and int(path.stem) not in self._instances:
                self._instances[int(path.stem)] = self._instance(Record(instance=int(path.stem)))
        await asyncio.gather(*(instance.begin(is_paused=is_paused) for instance in self._instances.values()))

    def _instance(self, record: Record) -> NodeInstance:
        return NodeInstance(record, self._documents, self._state_dir.run, self, command=self._command)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self._tick_once()
            except Exception:  # noqa: BLE001 - a bug of ours, or a full disk, must not stop the clock
                _log.exception("once a second")

    def _tick_once(self) -> None:
        for instance in tuple(self._instances.values()):
            instance.tick()
            if instance.is_gone:
                self._traffic.flush(self._instances.values())
                self._spool.forget(instance.number)
                del self._instances[instance.number]
        if self._traffic.tick(self._instances.values()):
            self._outbox.has_traffic()

    def _state(self) -> dict[str, Any]:
        return {
            "host": {**self._host.read(), "since": self._since, "version": __version__},
            "workers": {str(number): one.state() for number, one in self._instances.items() if not one.is_gone},
        }

    # what the panel says: Obeying, for the link

    def hello(self) -> Hello:
        return Hello(
            version=__version__, boot=self._boot, at=time.time(), host=socket.gethostname()[:255],
            is_paused=self._state_dir.is_paused,
            system=f"{platform.system()} {platform.release()} {platform.machine()}, Python {platform.python_version()}"[:255],
            running=[
                Running(instance=number, revision=revision.revision, document_sha256=revision.document_sha256)
                for number, instance in self._instances.items() for revision in instance.has
            ])

    def welcomed(self, welcome: Welcome) -> None:
        off_s = time.time() - welcome.at
        if abs(off_s) > CLOCK_OFF_S:
            _log.warning("this host's clock is %.0f s %s of the panel's: VMess will not work when it is off by two minutes",
                         abs(off_s), "ahead" if off_s > 0 else "short")
        self._state_dir.is_paused = False

    def wanted(self, wanted: Wanted) -> None:
        named = {one.instance: one for one in wanted.instances if one.instance > THIS_AGENT}
        for number, instance in self._instances.items():
            if number not in named:
                instance.want(None)
        for number, one in named.items():
            if number not in self._instances:
                self._instances[number] = self._instance(Record(instance=number))
            self._instances[number].want(one)

    def confirmed(self, confirm: Confirm) -> None:
        if (instance := self._instances.get(confirm.instance)) is not None:
            instance.confirm(confirm.revision)

    def asked(self, ask: Ask) -> None:
        self._asks.take(ask)

    def kept(self, kept: TrafficKept) -> None:
        self._spool.kept(kept.boot, kept.seq)
        self._outbox.traffic_kept(kept.boot, kept.seq)

    async def paused(self) -> None:
        try:
            self._state_dir.is_paused = True
        except OSError as error:        # the disk is full, say: they stop all the same
            _log.error("that the node is paused cannot be written down, so it holds until the agent ends: %s", error.strerror)
        await asyncio.gather(*(instance.stop(self._drain_s) for instance in self._instances.values()))

    # what instances tell: their Reporter

    def tell(self, message: BaseModel) -> None:
        if self._link.is_up:
            self._outbox.tell(message)

    def changed(self) -> None:
        self._outbox.changed()

    def happened(self, event: Event) -> None:
        self._outbox.happened(event)

    def seen_of(self, instance: int, worker: Worker) -> Mapping[Place, Counts] | None:
        return self._spool.seen_of(instance, worker)

    def logged(self, instance: int, lines: Sequence[Line]) -> None:
        if self._asks.is_watched(instance):
            self._outbox.logged(instance, lines)


class RingHandler(logging.Handler):
    """The agent's own log, for who asks for it."""

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self._agent = agent

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):    # a wrong format string is told by the handler that writes
            line = (record.created, record.levelname.lower(), record.getMessage())
            self._agent.log.add([line])
            self._agent.logged(THIS_AGENT, [line])
