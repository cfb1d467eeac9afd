"""Balancers, and the observatory that measures for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from proxycore.balancing.balancer import BalancerPlan
from proxycore.document.model import Document
from proxycore.net.dial import Dialer
from proxycore.observatory.balancing import Balancing
from proxycore.observatory.observer import Surroundings
from proxycore.observatory.settings import Observed
from proxycore.running.change import Change, Phase
from proxycore.running.ground import Ground


@dataclass(slots=True)
class RunningBalancing:
    plans: Sequence[BalancerPlan]
    observed: Observed | None
    balancing: Balancing


def prepare_balancing(document: Document, running: RunningBalancing | None, ground: Ground, change: Change) -> RunningBalancing:
    """What was observed is kept where the observatory is the same. Raises: ConfigError."""
    plans, observed = document.balancers, document.observed
    if running is not None and (running.plans, running.observed) == (plans, observed):
        return running
    is_same = running is not None and running.observed == observed
    direct = Dialer(ground.poller, ground.wheel, ground.clients, is_carrier=False, resolve=ground.resolve).dial
    around = Surroundings(ground.outbounds, ground.poller, ground.wheel, direct, time.time)
    kept = running.balancing.observatory if running is not None and is_same else None
    balancing = Balancing(plans, observed, around, observatory=kept)
    if kept is None:
        change.on_commit(Phase.START, balancing.start)
        if running is not None:
            change.on_commit(Phase.RETIRE, running.balancing.stop)
    return RunningBalancing(plans, observed, balancing)
