"""The balancers of a document, together with the observatory that measures for them."""

from __future__ import annotations

import random
from collections.abc import Iterable

from proxycore.balancing.balancer import Balancer, BalancerPlan
from proxycore.balancing.observation import Observations
from proxycore.balancing.strategy import Choice, Roll
from proxycore.observatory.observer import Observer, Surroundings
from proxycore.observatory.settings import BurstSettings, Observed


class Balancing:
    """What the router asks (`routing.router.Balancing`). It observes between `start` and `stop`, and can be started again."""

    __slots__ = ("_by_tag", "observatory")

    def __init__(
        self,
        plans: Iterable[BalancerPlan],
        observed: Observed | None,
        around: Surroundings,
        roll: Roll = random.randrange,
        observatory: Observer | None = None,
    ) -> None:
        """`around.outbounds` may change at any time. `observatory`: one that observes as `observed` says already.

        Raises: ConfigError, the observatory cannot be run here.
        """
        self.observatory = observatory
        if observatory is None and observed is not None:
            self.observatory = make_observatory(observed, around)
        observe = self._observe if self.observatory is not None else None
        self._by_tag = {plan.tag: Balancer(plan, around.outbounds, observe, roll) for plan in plans}

    @property
    def balancers(self) -> tuple[Balancer, ...]:
        return tuple(self._by_tag.values())

    @property
    def observations(self) -> Observations:
        """What is known of outbounds, by tag; empty without an observatory."""
        return self.observatory.observations if self.observatory is not None else {}

    def pick(self, tag: str) -> Choice:
        """What the balancer called `tag` picks for one more request."""
        return self._by_tag[tag].pick()

    def preview(self, tag: str) -> Choice:
        """The same for an explanation: nothing changes by it."""
        return self._by_tag[tag].preview()

    def start(self) -> None:
        if self.observatory is not None:
            self.observatory.start()

    def stop(self) -> None:
        if self.observatory is not None:
            self.observatory.stop()

    def _observe(self) -> Observations:
        return self.observations


def make_observatory(settings: Observed, around: Surroundings) -> Observer:
    """Not started yet. Raises: ConfigError, TLS cannot be used here."""
    # Imported here: most documents have no observatory, and a start is not to wait for the code of one.
    if isinstance(settings, BurstSettings):
        from proxycore.observatory.burst import BurstObservatory

        return BurstObservatory(settings, around)
    from proxycore.observatory.simple import SimpleObservatory

    return SimpleObservatory(settings, around)
