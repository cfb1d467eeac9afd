"""One carrier of a portal, as the portal and who shows its state see it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from proxycore.destination import Request
from proxycore.mux.client import MuxClient
from proxycore.mux.session import MuxPacketSession
from proxycore.reverse.health import Health
from proxycore.reverse.stalls import is_held_up, is_stuck


class Link:
    """One carrier of a portal, with its control session."""

    __slots__ = ("addressed_at", "carrier", "control", "credential", "dialect", "drained_at", "has_tried", "health",
                 "is_draining", "is_misunderstood", "is_tentative", "nonce", "registered_at", "source", "tries")

    health: Health                          # from `watch` on

    def __init__(self, carrier: MuxClient, request: Request, now: float) -> None:
        self.carrier = carrier
        self.credential = request.user
        self.source = request.source
        self.registered_at = now            # loop time, s
        self.addressed_at = now             # when the control session was opened, in the dialect of now
        self.dialect = ""
        self.control: MuxPacketSession | None = None
        self.is_draining = False
        self.drained_at = 0.0               # until it is known whether the DRAIN was understood
        self.is_misunderstood = False       # it seems that it was not
        self.is_tentative = False           # it was drained only to see whether that is understood
        self.has_tried = False              # ... some time
        self.tries = 0                      # dialects that were tried on this carrier
        self.nonce = secrets.randbits(64) or 1      # names it in the extension

    def watch(self, on_change: Callable[[Link], None]) -> None:
        """Begin to ask whether the bridge answers; `on_change` when a quarantine begins or is over."""
        self.health = Health(self.carrier, lambda: on_change(self))

    @property
    def load(self) -> int:
        """Live sessions, the control session included."""
        return len(self.carrier.sessions)

    @property
    def has_extension(self) -> bool:
        """The bridge is one of ours, and has said so."""
        return self.carrier.extension is not None

    @property
    def is_quarantined(self) -> bool:
        """The bridge does not answer: it gets no new sessions."""
        return self.health.is_quarantined

    @property
    def is_congested(self) -> bool:
        """Something on it holds up the rest."""
        return self.health.is_unresponsive or is_held_up(self.carrier)

    @property
    def hindrance(self) -> int:
        """What a new session would find: 0 nothing; 1 a slow one, because of which it is not read just now; 2 one that lasts."""
        return 2 if self.is_congested else int(self.carrier.stalled_at is not None)

    @property
    def is_free(self) -> bool:
        """Nothing waits on it."""
        return self.carrier.blocked_at is None and self.carrier.stalled_at is None

    @property
    def is_stuck(self) -> bool:
        """Nothing gets through at all just now."""
        return is_stuck(self.carrier, self.health)

    @property
    def rtt_s(self) -> float | None:
        """There and back through the tunnel, as last measured."""
        return self.carrier.rtt_s

    @property
    def loss(self) -> float | None:
        """Share of the segments to the bridge that were sent again."""
        return self.health.loss
