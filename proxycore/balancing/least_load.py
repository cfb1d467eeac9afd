"""leastLoad: the steadiest of the outbounds that are quick and reliable enough.

Source: Xray-core app/router/strategy_leastload.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from proxycore.balancing.costs import Cost, Costs
from proxycore.balancing.observation import NS_PER_MS, Observation, Observations
from proxycore.balancing.strategy import Choice, Roll, Strategy
from proxycore.routing.condition import some_of


class LeastLoadSettings(NamedTuple):
    """`expected`: how many to choose among; 0: one, or with baselines perhaps none. `max_rtt_ns` and `tolerance` 0: none.

    `tolerance` is the share of failed probes, 0 to 1, above which an outbound is left out. `baselines_ns` are positive.
    """

    expected: int = 0
    max_rtt_ns: int = 0
    tolerance: float = 0.0
    baselines_ns: tuple[int, ...] = ()
    costs: tuple[Cost, ...] = ()


class _Node(NamedTuple):
    """In the order of preference: tuples compare as the cores sort."""

    load_ns: int
    average_ns: int
    failed: int
    negative_probes: int
    tag: str


class LeastLoadStrategy(Strategy):
    """Random among those that `select` gives."""

    __slots__ = ("_costs", "_settings")

    def __init__(self, settings: LeastLoadSettings) -> None:
        self._settings = settings
        self._costs = Costs(settings.costs)

    def choose(self, candidates: Sequence[str], observations: Observations | None, roll: Roll) -> Choice:
        chosen = self.select(candidates, observations or {})
        if not chosen:
            return Choice(None, "none of its outbounds has been seen alive and is good enough")
        if len(chosen) == 1:
            return Choice(chosen[0], "its load is the least")
        return Choice(chosen[roll(len(chosen))], f"by chance, of those with the least load: {some_of(chosen)}")

    def select(self, candidates: Sequence[str], observations: Observations) -> list[str]:
        """The tags to choose among, the best first."""
        nodes = sorted(
            self._node(tag, seen) for tag in candidates
            if (seen := observations.get(tag)) is not None and self._is_good_enough(seen))
        return [node.tag for node in nodes[:self._count(nodes)]]

    def _is_good_enough(self, seen: Observation) -> bool:
        settings = self._settings
        if not seen.is_alive or (settings.max_rtt_ns and seen.delay_ms >= settings.max_rtt_ns // NS_PER_MS):
            return False
        probes = seen.statistics
        return not (settings.tolerance and probes is not None and probes.all
                    and probes.failed / probes.all > settings.tolerance)

    def _node(self, tag: str, seen: Observation) -> _Node:
        costs, probes = self._costs, seen.statistics
        if probes is None:          # of the simple observatory: one probe, and its delay in place of the deviation
            delay_ns = seen.delay_ms * NS_PER_MS
            return _Node(costs.scale(tag, delay_ns), delay_ns, 1, -1, tag)
        return _Node(costs.scale(tag, probes.deviation_ns), probes.average_ns, probes.failed, -probes.all, tag)

    def _count(self, nodes: Sequence[_Node]) -> int:
        """How many of the sorted nodes are chosen."""
        settings = self._settings
        if settings.expected > len(nodes):
            return len(nodes)
        expected = max(settings.expected, 1)
        if not settings.baselines_ns:
            return expected
        count = 0
        for baseline_ns in settings.baselines_ns:
            while count < len(nodes) and nodes[count].load_ns < baseline_ns:
                count += 1
            if count >= expected:
                break
        return max(count, settings.expected)
