"""Every ten seconds: what moved since the last time goes into the spool."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable

from proxycore.agent.counters import Counts, Place
from proxycore.agent.node_instance import NodeInstance
from proxycore.agent.spool import BUCKET_S, Spool, Worker
from proxycore.messages.link import Moved

_log = logging.getLogger("xrev.agent.traffic")


class TrafficKeeper:
    def __init__(self, spool: Spool, clock: Callable[[], float] = time.time) -> None:
        self._spool = spool
        self._clock = clock
        self._at = self._now()

    def tick(self, instances: Iterable[NodeInstance]) -> bool:
        """Whether a bucket was added; to be called more often than they end."""
        if self._now() == self._at:
            return False
        return self.flush(instances)

    def flush(self, instances: Iterable[NodeInstance]) -> bool:
        moved: list[Moved] = []
        seen: dict[int, tuple[Worker | None, dict[Place, Counts | None]]] = {}
        for instance in instances:
            instance.use_up()
            some, changed = instance.counters.take()
            moved += some
            if changed or some:
                seen[instance.number] = instance.worker, changed
        at, self._at = self._at, self._now()
        if not moved and not seen:
            return False
        try:
            self._spool.add(at, moved, seen)
        except sqlite3.Error as error:          # a full disk, say
            self._spool.dropped += 1
            _log.error("the figures of 10 s are lost: %s", error)
            return False
        return bool(moved)

    def _now(self) -> int:
        return int(self._clock()) // BUCKET_S * BUCKET_S
