"""Whether the far end of a carrier still answers, found out from end to end, within seconds, whatever core it is.

A peer of ours answers pings. Any other answers data for a session that does not exist with that session's End; so a byte for
session 0, which nobody opens, is a ping too. Silence alone is no sign: a carrier is quarantined when a question waits for its
answer, or sent data for an acknowledgement by the other host, and nothing at all has come since. Only one that is silent for
long, or that the kernel knows to be dead, is given up.
"""

from __future__ import annotations

from collections.abc import Callable

from proxycore.errors import LinkDown
from proxycore.mux.carrier import Carrier
from proxycore.net.local_address import is_gone
from proxycore.net.tcp_info import TcpInfo, tcp_info

LOOK_S = 1.0
"""A peer of ours is asked at this pace, any other at half of it."""

QUARANTINE_S = 2.5
"""No byte for so long after a question: no new session is given to the carrier until something comes."""

DEAD_S = 10.0
"""The same: the carrier is given up, if the kernel has had no acknowledgement for as long either, or cannot tell."""

FROZEN_S = 30.0
"""The same for a peer of ours whose host still acknowledges. Another core may only be held up by a slow session."""

UNKNOWN_DEAD_S = 60.0
"""The same where the peer is another core and no socket of ours tells."""

RTT_WEIGHT = 1 / 4
"""Of the latest measurement in the average."""


class Health:
    """Of one carrier, until it has ended. `on_change` is called when a quarantine begins or is over."""

    __slots__ = (
        "_acked", "_answered", "_asked_at", "_carrier", "_heard_at", "_is_dialled", "_is_second_look", "_mark", "_moved_at",
        "_on_change", "_token", "is_quarantined", "is_unresponsive", "path", "wheel_slot",
    )

    def __init__(self, carrier: Carrier, on_change: Callable[[], None], *, is_dialled: bool = False) -> None:
        """`is_dialled`: it was opened from here, so it is lost if this host has lost the address that it goes out from."""
        self.is_quarantined = False
        self.is_unresponsive = False    # bytes come, but the question is not answered: something holds it up
        self.path: TcpInfo | None = None    # what the kernel knew at the last look
        self.wheel_slot = -1
        self._is_dialled = is_dialled
        self._carrier = carrier
        self._on_change = on_change
        self._asked_at: float | None = None     # loop time, s
        self._token = 0
        self._answered = 0              # answers
        self._mark = carrier.received
        self._heard_at = self._moved_at = carrier.now()
        self._acked = 0
        self._is_second_look = False
        carrier.on_probed = self._on_answer
        carrier.wheel.watch(self, LOOK_S)

    @property
    def loss(self) -> float | None:
        """Share of what was sent that had to be sent again."""
        return self.path.retransmitted / self.path.sent if self.path is not None and self.path.sent else None

    def stuck_s(self) -> float:
        """How long the carrier has taken nothing of what waits for it, as far as the kernel tells."""
        carrier = self._carrier
        return 0.0 if carrier.blocked_at is None else carrier.now() - max(carrier.blocked_at, self._moved_at)

    def attend(self) -> None:
        """The extension has been agreed on: its pings are used from now on. The first goes out at once."""
        extension = self._carrier.extension
        assert extension is not None
        extension.on_pong = self._on_pong
        if extension.can_send:
            self._ask()

    def on_watch(self) -> float | None:
        carrier = self._carrier
        if carrier.ended:
            return None
        now = carrier.now()
        if carrier.received != self._mark:
            self._mark = carrier.received
            self._heard_at = now
        sock = carrier.peer.carried_by()
        self.path = None if sock is None else tcp_info(sock)
        if sock is not None and self._is_dialled and is_gone(sock):
            carrier.fail(LinkDown("this host has lost the address that it went out from"))
            return None
        if carrier.rtt_s is None and self.path is not None and self.path.rtt_ms:
            carrier.rtt_s = self.path.rtt_ms / 1000
        if self.path is not None and self.path.acked != self._acked:
            self._acked = self.path.acked
            self._moved_at = now
        waited_s = 0.0 if self._asked_at is None else now - self._asked_at
        kernel_s = 0.0 if self.path is None else self.path.silent_ms / 1000
        silent_s = min(max(waited_s, kernel_s), now - self._heard_at)
        if self._is_dead(silent_s):
            carrier.fail(LinkDown("the other side does not answer any more"))
            return None
        self.is_unresponsive = waited_s >= QUARANTINE_S
        if self.is_quarantined != (silent_s >= QUARANTINE_S):
            self.is_quarantined = not self.is_quarantined
            self._on_change()
        self._is_second_look = not self._is_second_look
        if self._asked_at is not None:
            if carrier.extension is not None:
                carrier.extension.ping(0)       # not for its answer: so that the other side hears something, whatever waits here
        elif carrier.extension is not None or (self._is_second_look and not self._is_held_up):
            self._ask()
        return LOOK_S

    @property
    def _is_held_up(self) -> bool:
        """Another core cannot answer: it does not read, or would wait with its answer because we do not, and read no more."""
        return self._carrier.stalled_at is not None or self._carrier.blocked_at is not None

    def _is_dead(self, silent_s: float) -> bool:
        if silent_s < DEAD_S or self._carrier.stalled_at is not None:       # (we may not have read its answer)
            return False
        is_ours = self._carrier.extension is not None
        if self.path is None:
            return is_ours or silent_s >= UNKNOWN_DEAD_S
        return self.path.silent_ms >= DEAD_S * 1000 or (is_ours and silent_s >= FROZEN_S)

    def _ask(self) -> None:
        self._asked_at = self._carrier.now()
        self._token += 1
        extension = self._carrier.extension
        if extension is None or not extension.ping(self._token):
            self._carrier.probe()

    def _on_pong(self, token: int) -> None:
        if token == self._token:
            self._on_answer()

    def _on_answer(self) -> None:
        if self._asked_at is None:
            return
        rtt_s = self._carrier.now() - self._asked_at
        self._asked_at = None
        before = self._carrier.rtt_s
        self._carrier.rtt_s = rtt_s if before is None or not self._answered else before + (rtt_s - before) * RTT_WEIGHT
        self._answered += 1
        self.is_unresponsive = False
        if self.is_quarantined:
            self.is_quarantined = False
            self._on_change()
