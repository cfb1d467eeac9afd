"""A balancer: candidates by the beginnings of their tags, the strategy's choice among them, and what if there is none.

Source: Xray-core app/router/balancing.go, app/proxyman/outbound/outbound.go (Select). Beyond the cores: a portal, or a tunnel
that an inbound's clients open, that has no usable carrier is passed over, whatever was observed of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from proxycore.balancing.least_load import LeastLoadSettings, LeastLoadStrategy
from proxycore.balancing.observation import Observations
from proxycore.balancing.strategy import Choice, LeastPingStrategy, RandomStrategy, Roll, RoundRobinStrategy, Strategy


class Member(Protocol):
    """What a balancer wants to know of an outbound."""

    def is_usable(self) -> bool:
        """Whether it could carry something just now, as far as it knows."""


StrategyName: TypeAlias = Literal["random", "roundRobin", "leastPing", "leastLoad"]


class BalancerPlan(NamedTuple):
    """A balancer as the document says. `fallback_tag`: empty, none."""

    path: str
    tag: str
    selector: tuple[str, ...]
    strategy: StrategyName = "random"
    least_load: LeastLoadSettings = LeastLoadSettings()
    fallback_tag: str = ""

    @property
    def needs_observations(self) -> bool:
        """Whether it would never choose anything without an observatory."""
        return self.strategy in ("leastPing", "leastLoad")

    def make_strategy(self) -> Strategy:
        """A new one, without history."""
        if self.strategy == "leastLoad":
            return LeastLoadStrategy(self.least_load)
        if self.strategy == "leastPing":
            return LeastPingStrategy()
        return RoundRobinStrategy() if self.strategy == "roundRobin" else RandomStrategy()


def select(tags: Sequence[str], selector: Sequence[str]) -> list[str]:
    """Those of `tags` that begin as an entry of the selector says, sorted. What has no tag cannot be selected."""
    beginnings = tuple(selector)
    return sorted({tag for tag in tags if tag and tag.startswith(beginnings)})


class Balancer:
    """One balancer at work."""

    __slots__ = ("_candidates", "_known_tags", "_members", "_observe", "_plan", "_roll", "strategy")

    def __init__(
        self,
        plan: BalancerPlan,
        members: Mapping[str, Member],
        observe: Callable[[], Observations] | None,
        roll: Roll = random.randrange,
    ) -> None:
        """`members` are all outbounds by tag; the mapping may change. `observe` None: there is no observatory."""
        self._plan = plan
        self._members = members
        self._observe = observe
        self._roll = roll
        self._known_tags: tuple[str, ...] = ()
        self._candidates: list[str] = []
        self.strategy = plan.make_strategy()

    @property
    def tag(self) -> str:
        return self._plan.tag

    @property
    def fallback_tag(self) -> str:
        return self._plan.fallback_tag

    @property
    def candidates(self) -> Sequence[str]:
        """The tags that the selector selects, sorted."""
        tags = tuple(self._members)
        if tags != self._known_tags:
            self._known_tags = tags
            self._candidates = select(tags, self._plan.selector)
        return self._candidates

    def pick(self) -> Choice:
        """The outbound for one more request. None where there is nothing to choose and no fallbackTag."""
        return self._pick(self.strategy.choose)

    def preview(self) -> Choice:
        """The same for an explanation: nothing changes by it."""
        return self._pick(self.strategy.preview)

    def _pick(self, choose: Callable[[Sequence[str], Observations | None, Roll], Choice]) -> Choice:
        candidates = self.candidates
        if not candidates:
            return self._fall_back(Choice(None, "its selector fits no outbound"))
        usable = [tag for tag in candidates if self._members[tag].is_usable()]
        if not usable:
            if self.fallback_tag:
                return self._fall_back(Choice(None, "none of its tunnels has a bridge"))
            usable = list(candidates)       # rather than by the default outbound: a portal waits for its bridge for a while
        choice = choose(usable, self._observations(), self._roll)
        return choice if choice.tag is not None else self._fall_back(choice)

    def _observations(self) -> Observations | None:
        """Without a fallbackTag the simple strategies do not ask, as in the cores."""
        if self._observe is None or not (self.fallback_tag or self._plan.needs_observations):
            return None
        return self._observe()

    def _fall_back(self, choice: Choice) -> Choice:
        return Choice(self.fallback_tag, f"{choice.why}: its fallbackTag") if self.fallback_tag else choice
