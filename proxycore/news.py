"""What happened that people want to know: refusals are counted always, and everything is told to who listens.

A flood is not told one by one: the first refusal of a kind from a source is told at once, those that follow within PERIOD_S
as one event with their number. The counts are whole in any case. So it is with tunnels that come and go, from the eleventh on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from proxycore.destination import HostPort
from proxycore.errors import PeerError
from proxycore.messages.events import MAX_TEXT_CHARS, Event, Kind, Refusal
from proxycore.net.wheel import Wheel

PERIOD_S: Final = 10.0

MAX_GATHERED: Final = 1000
"""Kinds of refusals (by reason, place and source) that are told apart within a period; sources beyond are told together."""

MAX_AT_ONCE: Final = 10
"""Events of one of PEERS_KINDS at one place that are told one by one within a period."""

PEERS_KINDS: Final = frozenset({Kind.TUNNEL_UP, Kind.TUNNEL_DOWN, Kind.STALLED})
"""What the other side can make happen as often as it likes."""

MAX_REASON_CHARS: Final = 64
MAX_TAG_CHARS: Final = 255

_Key = tuple[Refusal, str, str]
_Last = tuple[int, str, str, float | None]      # count, and source, text and seconds of the last


class News:
    """Of one instance. `listener` is called with each event, in the turn in which it happens; it must not raise."""

    __slots__ = ("_gathered", "_late", "_now", "_told", "_wheel", "listener", "refusals", "wheel_slot")

    def __init__(self, wheel: Wheel, now: Callable[[], float] = time.time) -> None:
        """`now` is Unix time in seconds."""
        self.listener: Callable[[Event], None] | None = None
        self.refusals: dict[str, int] = {}              # by reason, since the start
        self._gathered: dict[_Key, list[_Last]] = {}    # how many wait to be told, with what the last of them said; or nothing
        self._told: dict[tuple[Kind, str], int] = {}    # of PEERS_KINDS, by place, within this period
        self._late: dict[tuple[Kind, str], Event] = {}  # the last of those that were too many, to be told; in order of time
        self._wheel = wheel
        self._now = now
        self.wheel_slot = -1

    def tell(
        self, kind: Kind, tag: str = "", text: str = "", *, reason: str = "", source: HostPort | str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Something happened at `tag`; `text` is a sentence without secrets."""
        if self.listener is None:
            return
        event = self._event(kind, tag, text, reason, _ip(source), seconds)
        if kind in PEERS_KINDS and self._is_too_often(kind, tag):
            before = self._late.pop((kind, tag), None)
            self._late[kind, tag] = event if before is None else event.model_copy(update={"count": before.count + 1})
        else:
            self.listener(event)

    def _is_too_often(self, kind: Kind, tag: str) -> bool:
        count = self._told[kind, tag] = self._told.get((kind, tag), 0) + 1
        self._watch()
        return count > MAX_AT_ONCE

    def refused(
        self, why: Refusal, tag: str, source: HostPort | str | None, text: str = "", *, seconds: float | None = None
    ) -> None:
        """A handshake or a session was refused at `tag`."""
        self.count(why)
        if self.listener is None:
            return
        ip = _ip(source)
        key = (why, tag, ip)
        if key not in self._gathered and len(self._gathered) >= MAX_GATHERED:
            key = (why, tag, "")
        waiting = self._gathered.get(key)
        if waiting is None:
            self._watch()
            self._gathered[key] = []
            self.listener(self._event(Kind.REFUSED, tag, text, why, ip, seconds))
        elif waiting:
            waiting[0] = (waiting[0][0] + 1, ip, text, seconds)
        else:
            waiting.append((1, ip, text, seconds))

    def count(self, why: Refusal) -> None:
        """A session was refused as somebody wants it: that is no news."""
        self.refusals[why] = self.refusals.get(why, 0) + 1

    def handshake_failed(self, tag: str, source: HostPort, error: PeerError | TimeoutError) -> None:
        """A handshake with the inbound `tag` failed."""
        if isinstance(error, PeerError):
            self.refused(Refusal(error.kind), tag, source, str(error), seconds=error.seconds)
        else:
            self.refused(Refusal.TIMEOUT, tag, source, str(error))

    def on_watch(self) -> float | None:
        """The period is over: tell what was gathered. What goes on is gathered again."""
        waiting = {key: last[0] for key, last in self._gathered.items() if last}
        self._gathered = {key: [] for key in waiting}
        late, self._late = self._late, {}
        self._told = dict.fromkeys(late, MAX_AT_ONCE)
        if self.listener is not None:
            for event in late.values():
                self.listener(event)
            for (why, tag, _), (count, ip, text, seconds) in waiting.items():
                self.listener(self._event(Kind.REFUSED, tag, text, why, ip, seconds, count))
        return PERIOD_S if waiting or late else None

    def _watch(self) -> None:
        if self.wheel_slot < 0:
            self._wheel.watch(self, PERIOD_S)

    def _event(
        self, kind: Kind, tag: str, text: str, reason: str, source: str, seconds: float | None, count: int = 1
    ) -> Event:
        return Event(
            kind=kind, at=self._now(), tag=tag[:MAX_TAG_CHARS], text=text[:MAX_TEXT_CHARS], reason=str(reason)[:MAX_REASON_CHARS],
            source=source[:MAX_REASON_CHARS], count=count, seconds=seconds)


def _ip(source: HostPort | str | None) -> str:
    if source is None:
        return ""
    return source if isinstance(source, str) else source[0]
