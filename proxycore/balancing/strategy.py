"""How a balancer chooses: random, roundRobin, leastPing. Source: Xray-core app/router/balancing.go, strategy_*.go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from proxycore.balancing.observation import DEAD_DELAY_MS, Observations
from proxycore.routing.condition import some_of

Roll: TypeAlias = Callable[[int], int]
"""A random number from 0 to before its argument."""


class Choice(NamedTuple):
    """`tag` None: none of the candidates. `why` is one clause for people."""

    tag: str | None
    why: str


class Strategy:
    """Chooses one of the candidates, which are sorted by tag."""

    __slots__ = ()

    def choose(self, candidates: Sequence[str], observations: Observations | None, roll: Roll) -> Choice:
        """`observations` None: nobody observes, or nobody asked to be told. A choice may change the strategy's state."""
        raise NotImplementedError

    def preview(self, candidates: Sequence[str], observations: Observations | None, roll: Roll) -> Choice:
        """The same without changing anything."""
        return self.choose(candidates, observations, roll)


def alive_of(candidates: Sequence[str], observations: Observations | None) -> Sequence[str]:
    """Those that are not known to be dead: what was not observed counts as alive."""
    if observations is None:
        return candidates
    return [tag for tag in candidates if (seen := observations.get(tag)) is None or seen.is_alive]


class RandomStrategy(Strategy):
    """Each with the same probability."""

    __slots__ = ()

    def choose(self, candidates: Sequence[str], observations: Observations | None, roll: Roll) -> Choice:
        alive = alive_of(candidates, observations)
        if not alive:
            return Choice(None, "none of its outbounds is alive")
        return Choice(alive[roll(len(alive))], f"by chance, of {some_of(list(alive))}")


class RoundRobinStrategy(Strategy):
    """In turn."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def choose(self, candidates: Sequence[str], observations: Observations | None, roll: Roll) -> Choice:
        alive = alive_of(candidates, observations)
        if alive:
            turn = self._next % len(alive)
            self._next = (self._next + 1) % len(alive)
            return Choice(alive[turn], f"it is its turn, of {some_of(list(alive))}")
        return Choice(None, "none of its outbounds is alive")

    def preview(self, candidates: Sequence[str], observations: Observations | None, roll: Roll) -> Choice:
        kept = self._next
        try:
            return self.choose(candidates, observations, roll)
        finally:
            self._next = kept


class LeastPingStrategy(Strategy):
    """The alive one whose delay is the smallest; what was not observed is never chosen."""

    __slots__ = ()

    def choose(self, candidates: Sequence[str], observations: Observations | None, roll: Roll) -> Choice:
        best, least_ms = None, DEAD_DELAY_MS
        for tag in candidates:
            seen = observations.get(tag) if observations is not None else None
            if seen is not None and seen.is_alive and seen.delay_ms < least_ms:
                best, least_ms = tag, seen.delay_ms
        if best is None:
            return Choice(None, "none of its outbounds has been seen alive")
        return Choice(best, f"its delay of {least_ms} ms is the smallest")
