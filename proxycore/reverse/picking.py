"""Which carrier of a portal a new session gets, where there are several, perhaps of several bridges.

A bridge is known by its credential: who wants to tell bridges apart gives each its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from proxycore.destination import Request
from proxycore.mux.client import MAX_LIVE_SESSIONS
from proxycore.reverse.link import Link

PolicyName: TypeAlias = Literal["leastLoad", "weighted", "sticky", "primaryBackup"]

SLOW_START_S = 10.0
"""A bridge that came beside others gets its full share after so long."""

SLOW_START_FLOOR = 0.1
"""... and this much of it at first."""

EJECT_AFTER = 5
"""So many sessions in a row that failed before a byte came from their target: the bridge is passed over for a while."""

EJECT_S = 30.0

AWAY_S = 60.0
"""A bridge that comes back within so long goes on with the failures that it had."""

MAX_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Picking:
    """The policy of a portal.

    leastLoad: the carrier with the fewest sessions, then the one with the shortest way.
    weighted: the bridge with the fewest sessions by its weight (1 where none is given), then as above on its carriers.
    sticky: a client's address goes to the same bridge for as long as that is there.
    primaryBackup: the first of `primary` that is there; those that are not named come last.
    """

    policy: PolicyName = "leastLoad"
    weights: Mapping[str, float] = field(default_factory=dict)
    primary: Sequence[str] = ()
    slow_start_s: float = SLOW_START_S
    eject_after: int = EJECT_AFTER
    eject_s: float = EJECT_S


class Verdict(NamedTuple):
    """Why a carrier is chosen or not, for people."""

    link: Link
    is_usable: bool
    reason: str


class _Bridge:
    """What is remembered of one."""

    __slots__ = ("ejected_until", "failures", "since")

    def __init__(self, now: float) -> None:
        self.since = now            # loop time, s: when it came
        self.failures = 0           # in a row
        self.ejected_until = 0.0


_Key: TypeAlias = tuple[bool, bool, float, int, bool, float, float]


class Picker:
    """Picks among the links of one portal. Times are the loop's, in seconds."""

    __slots__ = ("_bridges", "_order", "picking")

    def __init__(self, picking: Picking | None = None) -> None:
        self.use(Picking() if picking is None else picking)
        self._bridges: dict[str, _Bridge] = {}

    def use(self, picking: Picking) -> None:
        """Go by another policy from now on."""
        self.picking = picking
        self._order = {name: number for number, name in enumerate(picking.primary)}

    def came(self, credential: str, links: Sequence[Link], now: float) -> _Bridge:
        """A carrier of this bridge came; `links` are those that were there before. What is remembered of it: its `failures`."""
        bridge = self._bridges.get(credential)
        if bridge is None or not any(link.credential == credential for link in links):
            old = self._bridges.pop(credential, None)
            if len(self._bridges) >= MAX_REMEMBERED:
                del self._bridges[next(iter(self._bridges))]
            bridge = self._bridges[credential] = _Bridge(now if links else now - self.picking.slow_start_s)
            if old is not None and old.ejected_until > now - AWAY_S:
                bridge.failures, bridge.ejected_until = old.failures, old.ejected_until
        return bridge

    def outcome(self, credential: str, now: float, *, is_failure: bool) -> bool:
        """A session through this bridge has ended, or has begun to answer. True: the bridge is passed over from now on."""
        bridge = self._bridges.get(credential)
        if bridge is None:
            return False
        if not is_failure:
            bridge.failures = 0
            bridge.ejected_until = 0.0
            return False
        bridge.failures += 1
        limit = self.picking.eject_after
        if not limit or bridge.failures < limit or bridge.ejected_until > now:
            return False
        bridge.ejected_until = now + self.picking.eject_s
        return True

    def pick(self, links: Iterable[Link], request: Request | None, now: float) -> Link | None:
        """The carrier for a new session; None: there is none that answers."""
        if self.picking.policy == "leastLoad" and len(self._bridges) <= 1:
            return _least_loaded(links)
        best: Link | None = None
        best_key: _Key | None = None
        usable = [link for link in links if not link.carrier.is_full and not link.health.is_quarantined]
        loads = self._loads(usable)
        for link in usable:
            key = self._key(link, request, loads, now)
            if best_key is None or key < best_key:
                best, best_key = link, key
        return best

    def verdicts(self, links: Iterable[Link], request: Request | None, now: float) -> list[Verdict]:
        """All carriers, the chosen one first, each with why it stands there."""
        links = list(links)
        usable = [link for link in links if not link.carrier.is_full and not link.health.is_quarantined]
        loads = self._loads(usable)
        found = [
            Verdict(link, True, self._reason(link, request, loads, now))
            for link in sorted(usable, key=lambda link: self._key(link, request, loads, now))]
        for link in links:
            if link not in usable:
                found.append(Verdict(link, False, "it is full" if link.carrier.is_full else "it does not answer"))
        return found

    def _key(self, link: Link, request: Request | None, loads: Mapping[str, float], now: float) -> _Key:
        bridge = self._bridges.get(link.credential)
        is_ejected = bridge is not None and bridge.ejected_until > now
        rank, sessions = self._rank(link, request, loads, now), len(link.carrier.sessions) / self._share(bridge, now)
        return is_ejected, link.is_congested, rank, link.hindrance, link.is_draining, sessions, link.carrier.rtt_s or 0.0

    def _rank(self, link: Link, request: Request | None, loads: Mapping[str, float], now: float) -> float:
        """What the policy says; the lowest is chosen."""
        policy = self.picking.policy
        if policy == "weighted":
            weight = self.picking.weights.get(link.credential, 1.0) * self._share(self._bridges.get(link.credential), now)
            return loads[link.credential] / weight if weight > 0 else float("inf")
        if policy == "primaryBackup":
            return self._order.get(link.credential, len(self._order))
        if policy == "sticky" and request is not None and request.source is not None:
            return _distance(request.source[0], link.credential)
        return 0.0

    def _share(self, bridge: _Bridge | None, now: float) -> float:
        """How much of its share a bridge gets yet."""
        slow_s = self.picking.slow_start_s
        if bridge is None or not slow_s or now - bridge.since >= slow_s:
            return 1.0
        return max(SLOW_START_FLOOR, (now - bridge.since) / slow_s)

    def _loads(self, links: Iterable[Link]) -> Mapping[str, float]:
        """Sessions of each bridge, and one more."""
        loads: dict[str, float] = {}
        for link in links:
            loads[link.credential] = loads.get(link.credential, 1.0) + len(link.carrier.sessions)
        return loads

    def _reason(self, link: Link, request: Request | None, loads: Mapping[str, float], now: float) -> str:
        bridge = self._bridges.get(link.credential)
        sessions = len(link.carrier.sessions) - (link.control is not None and not link.control.ended)
        parts = [f"{sessions} session{'s' if sessions != 1 else ''}"]
        if self.picking.policy != "leastLoad":
            parts.append(self._policy_words(link, request, loads, now))
        if link.carrier.rtt_s is not None:
            parts.append(f"{link.carrier.rtt_s * 1000:.1f} ms")
        if (share := self._share(bridge, now)) < 1:
            parts.append(f"slow start, {share:.0%} of its share")
        if bridge is not None and bridge.ejected_until > now:
            parts.append(f"passed over for {bridge.ejected_until - now:.0f} s, {bridge.failures} sessions failed in a row")
        if link.is_congested:
            parts.append("held up")
        if link.is_draining:
            parts.append("draining")
        return ", ".join(parts)

    def _policy_words(self, link: Link, request: Request | None, loads: Mapping[str, float], now: float) -> str:
        rank = self._rank(link, request, loads, now)
        if self.picking.policy == "primaryBackup":
            return f"number {rank + 1:.0f} in the order" if link.credential in self._order else "not named in the order"
        if self.picking.policy == "sticky":
            known = request is not None and request.source is not None
            return f"draws {rank:.3f} for this address, the lowest wins" if known else "the address of the client decides"
        return f"a load of {rank:.3g} for its weight"


def _least_loaded(links: Iterable[Link]) -> Link | None:
    """The usual case, on every new connection."""
    best: Link | None = None
    best_key = (0, True, 0, 0.0)
    for link in links:
        carrier, health = link.carrier, link.health
        sessions = len(carrier.sessions)
        if carrier.ended or sessions >= MAX_LIVE_SESSIONS or health.is_quarantined:
            continue
        is_free = carrier.blocked_at is None and carrier.stalled_at is None and not health.is_unresponsive
        key = (0 if is_free else link.hindrance, link.is_draining, sessions, carrier.rtt_s or 0.0)
        if best is None or key < best_key:
            best, best_key = link, key
    return best


def _distance(address: str, credential: str) -> float:
    """Rendezvous hashing: each client has its own order of the bridges, which others' coming and going does not change."""
    digest = hashlib.blake2b(f"{address}\n{credential}".encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48
