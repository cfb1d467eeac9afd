"""What waits to be said to the panel. Everything in it is bounded; of the state there is only ever the newest."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pydantic import BaseModel

from proxycore.agent.log_ring import Line, shortened
from proxycore.messages.beat import AGENT_S, IDLE_S, Gathering, until_next
from proxycore.messages.events import Event, Kind
from proxycore.messages.link import Happened, LogLines, Ping, State, Traffic
from proxycore.messages.patch import difference, merge

MAX_EVENTS: Final = 2000            # kept while the panel is away
EVENTS_AT_ONCE: Final = 200         # said, and not known to be written down
MAX_MESSAGES: Final = 256           # answers and the like, which bounded questions make
MAX_LOG_LINES: Final = 500          # of one instance between two messages
PING_EVERY_S: Final = 5.0
TRAFFIC_AGAIN_S: Final = 30.0
EVENTS_AGAIN_S: Final = 30.0


class Outbox:
    """`next` gives the messages that are due; who sends them asks again when the socket has taken them."""

    def __init__(
        self, state: Callable[[], dict[str, Any]], traffic: Callable[[], list[Traffic]], *,
        clock: Callable[[], float] = time.monotonic,
        state_in_s: Callable[[], float] = lambda: until_next(time.time(), AGENT_S, IDLE_S),
    ) -> None:
        """`state_in_s` says how long it is from now until state is told again although nobody says that it changed."""
        self._state = state
        self._traffic = traffic
        self._clock = clock
        self._state_in_s = state_in_s
        self.woken = asyncio.Event()
        self._messages: deque[BaseModel] = deque()
        self._events: deque[Event] = deque()
        self._lost_events = 0
        self._unkept: Happened | None = None
        self._unkept_at: float | None = None    # when it was said on this connection
        self._events_seq = 0
        self._log_lines: dict[int, deque[Line]] = {}
        self._sent_tree: dict[str, Any] | None = None       # what the panel has; None: nothing
        self._state_due = 0.0
        self._changes = Gathering()
        self._said_at = 0.0
        self._traffic_unkept: set[tuple[str, int]] = set()
        self._traffic_at = 0.0

    def connected(self) -> None:
        """A panel that knows nothing of us listens."""
        now = self._clock()
        self._messages.clear()
        self._log_lines.clear()
        self._sent_tree = None
        self._state_due = now
        self._said_at = now
        self._traffic_unkept.clear()
        self._unkept_at = None
        self.woken.set()

    def changed(self) -> None:
        """The state is another than before."""
        if self._changes.changed(self._clock()):
            self.woken.set()

    def tell(self, message: BaseModel) -> None:
        if len(self._messages) < MAX_MESSAGES:
            self._messages.append(message)
        self.woken.set()

    def happened(self, event: Event) -> None:
        if len(self._events) >= MAX_EVENTS:
            self._lost_events += self._events.popleft().count
        self._events.append(event)
        self.woken.set()

    def logged(self, instance: int, lines: Sequence[Line]) -> None:
        """Lines that somebody watches; of too many, the newest are shown."""
        self._log_lines.setdefault(instance, deque(maxlen=MAX_LOG_LINES)).extend(map(shortened, lines))
        self.changed()                  # they go with the state

    def traffic_kept(self, boot: str, seq: int) -> None:
        self._traffic_unkept.discard((boot, seq))
        if not self._traffic_unkept:
            self.woken.set()

    def events_kept(self, seq: int) -> None:
        if self._unkept is not None and seq >= self._unkept.seq:
            self._unkept = None
            self.woken.set()

    def has_traffic(self) -> None:
        """A bucket was added."""
        self.woken.set()

    @property
    def due_in_s(self) -> float:
        """Until something is due even if nothing happens."""
        due = self._state_due if self._changes.due is None else min(self._state_due, self._changes.due)
        return max(0.0, due - self._clock())

    def next(self) -> Iterator[BaseModel]:
        """What is due now, most urgent first. State is read when its turn comes, not before."""
        self.woken.clear()
        while self._messages:
            yield self._said(self._messages.popleft())
        now = self._clock()
        if (happened := self._next_events(now)) is not None:
            yield self._said(happened)
        now = self._clock()
        if now >= self._state_due or (self._changes.due is not None and now >= self._changes.due):
            self._state_due = now + self._state_in_s()
            self._changes.telling(now)
            if (state := self._next_state()) is not None:
                yield self._said(state)
                self._changes.told(now, self._clock())
            watched, self._log_lines = self._log_lines, {}      # more may come while these are sent
            for instance, lines in watched.items():
                yield self._said(LogLines(instance=instance, lines=list(lines)))
        yield from map(self._said, self._next_traffic(now))
        if now >= self._said_at + PING_EVERY_S:
            yield self._said(Ping(at=time.time()))

    def _said(self, message: BaseModel) -> BaseModel:
        self._said_at = self._clock()
        return message

    def _next_events(self, now: float) -> Happened | None:
        """The oldest few, when those before are written down; or the same again, on a new connection or after long."""
        if self._unkept is not None:
            if self._unkept_at is not None and now < self._unkept_at + EVENTS_AGAIN_S:
                return None
            self._unkept_at = now
            return self._unkept
        if not self._events:
            return None
        if self._lost_events:
            count, self._lost_events = self._lost_events, 0
            self._events.appendleft(Event(
                kind=Kind.EVENTS_LOST, at=self._events[0].at, count=count,
                text=f"{count} older events were dropped while the panel was away"))
        self._events_seq += 1
        count = min(EVENTS_AT_ONCE, len(self._events))
        self._unkept = Happened(seq=self._events_seq, events=[self._events.popleft() for _ in range(count)])
        self._unkept_at = now
        return self._unkept

    def _next_state(self) -> State | None:
        tree = self._state()
        at = round(time.time(), 3)
        if self._sent_tree is None:
            self._sent_tree = {}
            merge(self._sent_tree, tree)
            return State(at=at, patch=tree, is_full=True)
        patch = difference(self._sent_tree, tree)
        if not patch:
            return None
        merge(self._sent_tree, patch)
        return State(at=at, patch=patch)

    def _next_traffic(self, now: float) -> Iterator[Traffic]:
        """The oldest few, when those before are kept; or again, when an answer was lost: the panel knows what it has."""
        if self._traffic_unkept and now < self._traffic_at + TRAFFIC_AGAIN_S:
            return
        self._traffic_at = now
        found = self._traffic()
        self._traffic_unkept = {(one.boot, one.seq) for one in found}
        yield from found
