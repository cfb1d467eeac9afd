"""Carriers of other cores, which have no flow control: one session whose reader stands still holds up all others.

Such a carrier is passed over as soon as that shows, and another is asked for. If it lasts, what holds it up is ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from proxycore.errors import LinkDown
from proxycore.messages.events import Kind
from proxycore.mux.carrier import Carrier
from proxycore.mux.session import MuxSession
from proxycore.net.poller import Loop
from proxycore.net.tcp_info import tcp_info
from proxycore.news import News
from proxycore.reverse.health import Health

CONGESTED_S = 0.25
"""A carrier that takes nothing, or is not read because of a slow reader, for so long is held up."""

STUCK_S = 1.0
"""The kernel could send nothing for so long: the other side does not read."""

STALL_S = 10.0
"""A session that holds up others for so long is ended; where it cannot be told which that is, their carrier is."""

_log = logging.getLogger("xrev.stalls")


class Stalls:
    """Of the carriers of one portal or bridge. `stall_s`: as STALL_S; 0: never."""

    __slots__ = ("_loop", "_news", "_tag", "_told", "_watched", "stall_s")

    def __init__(self, tag: str, loop: Loop, news: News, stall_s: float = STALL_S) -> None:
        self._tag = tag
        self._loop = loop
        self._news = news
        self.stall_s = stall_s
        self._watched: set[Carrier] = set()
        self._told: set[Carrier] = set()        # which of them are known to stand still

    def watch(self, carrier: Carrier, on_held_up: Callable[[], None]) -> None:
        """Call `on_held_up` whenever `carrier` begins to be held up. (Not where each session has its own flow control.)"""

        def begin(_carrier: Carrier) -> None:
            if carrier.extension is None and carrier not in self._watched:
                self._watched.add(carrier)
                self._loop.call_later(CONGESTED_S * 0.4, mark)

        def mark() -> None:
            self._loop.call_later(CONGESTED_S * 0.7, look, _acked(carrier))

        def look(acked: int | None) -> None:
            self._watched.discard(carrier)
            if carrier.ended:
                return
            is_slow = carrier.stalled_at is None and acked is not None and acked != _acked(carrier)
            if is_held_up(carrier) and not is_slow:
                on_held_up()
            elif carrier.blocked_at is not None or carrier.stalled_at is not None:
                begin(carrier)          # its path is what is slow; or it was free meanwhile

        carrier.on_congested = begin

    def look(self, carrier: Carrier, health: Health, *, may_close: bool) -> None:
        """End what has held up others on `carrier` for too long; all of it only if that `may_close`.

        V2Ray's and Xray's portals go on choosing a carrier that was closed while they stood still on it, and then refuse all that
        they give to it; left alone it goes on when the slow client does. So a bridge closes none.
        """
        if not self.stall_s or carrier.ended:
            return
        now = carrier.now()
        if carrier.stalled_at is not None and now - carrier.stalled_at >= self.stall_s:
            self._end(carrier, carrier.slow_sessions())
        elif carrier.extension is None and carrier.blocked_at is not None and (stuck_s := health.stuck_s()) >= self.stall_s:
            # which session the other side waits for cannot be told, nor could it be told to leave that
            sessions = _streams(carrier)
            if sessions > 1 and may_close:
                self._tell(f"a carrier with {sessions} sessions was closed: nothing was taken of it for {stuck_s:.0f} s")
                carrier.fail(LinkDown("a session held the carrier up"))
            elif sessions > 1 and carrier not in self._told:
                self._told = {one for one in self._told if not one.ended} | {carrier}
                self._tell(f"a carrier with {sessions} sessions stands still: nothing was taken of it for {stuck_s:.0f} s")
        elif carrier in self._told and carrier.blocked_at is None:
            self._told.discard(carrier)

    def _end(self, carrier: Carrier, guilty: list[MuxSession]) -> None:
        others = sum(not session.is_packet and session not in guilty for session in carrier.sessions.values())
        if not others:
            return              # it holds up nobody
        for session in guilty:
            self._tell(
                f"session {session.id} was ended: its reader stood still for {self.stall_s:.0f} s, and held up {others} others")
            session.fail(LinkDown("it held up the other sessions of its carrier"))

    def _tell(self, text: str) -> None:
        _log.warning("%s: %s", self._tag, text)
        self._news.tell(Kind.STALLED, self._tag, text)


def _acked(carrier: Carrier) -> int | None:
    """Bytes that the other host has acknowledged; None: nobody tells."""
    sock = carrier.peer.carried_by()
    info = None if sock is None else tcp_info(sock)
    return None if info is None else info.acked


def _streams(carrier: Carrier) -> int:
    """Sessions that could be held up; a control session is none."""
    return sum(not session.is_packet for session in carrier.sessions.values())


def is_held_up(carrier: Carrier) -> bool:
    """Whether another carrier is better, if there is one. Where sessions have credit a full carrier is only busy."""
    since = carrier.stalled_at
    if since is None and carrier.extension is None:
        since = carrier.blocked_at
    return since is not None and carrier.now() - since >= CONGESTED_S


def is_stuck(carrier: Carrier, health: Health) -> bool:
    """Whether nothing gets through at all, so that it is better to wait for another."""
    return is_held_up(carrier) and (carrier.stalled_at is not None or health.stuck_s() >= STUCK_S)
