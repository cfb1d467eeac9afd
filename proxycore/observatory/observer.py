"""What both observatories share: which outbounds are observed, and the probes that are under way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from proxycore.balancing.balancer import select
from proxycore.balancing.observation import Observations
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import Outbound
from proxycore.transport.chain import ChainedDial

if TYPE_CHECKING:
    from proxycore.observatory.probe import OnResult, Probe, ProbeDial, Prober, ProbeResult

_log = logging.getLogger("xrev.observatory")


class Surroundings(NamedTuple):
    """What an observatory works with. `outbounds` may change; `dial` makes direct connections; `now` is Unix time, s."""

    outbounds: Mapping[str, Outbound]
    loop: Loop
    wheel: Wheel
    dial: ProbeDial
    now: Callable[[], float]


class Observer:
    """Base of the observatories: probes between `start` and `stop`, and can be started again."""

    def __init__(self, selector: tuple[str, ...], around: Surroundings) -> None:
        self._selector = selector
        self._around = around
        self._loop = around.loop
        self._probes: set[Probe] = set()

    @property
    def observations(self) -> Observations:
        """What is known now, by tag."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin to probe; nothing happens where it does already."""
        raise NotImplementedError

    def stop(self) -> None:
        """Probe no more; what is under way ends without a result. What was observed is kept."""
        for probe in tuple(self._probes):
            probe.stop()
        self._probes.clear()

    def _select(self) -> list[str]:
        return select(tuple(self._around.outbounds), self._selector)

    def _probe(self, prober: Prober, tag: str, on_result: Callable[[str, ProbeResult], None]) -> None:
        """One probe through the outbound `tag`."""
        dial = ChainedDial(tag, lambda: self._around.outbounds.get(tag), self._loop.call_soon)
        self._start(prober, dial, lambda result: on_result(tag, result))

    def _start(self, prober: Prober, dial: ProbeDial, on_result: OnResult) -> None:

        def on_end(result: ProbeResult) -> None:
            if probe in self._probes:       # not stopped meanwhile
                self._probes.discard(probe)
                on_result(result)

        probe = prober.start(dial, on_end)
        self._probes.add(probe)


def log_change(tag: str, was_alive: bool | None, result: ProbeResult) -> None:
    """Tell of an outbound that came or went; None: it had not been probed. What goes on as it was is for debugging."""
    is_alive = result.delay_ns is not None
    level = logging.INFO if is_alive != was_alive else logging.DEBUG
    if result.delay_ns is not None:
        _log.log(level, "outbound %s answers: %d ms", tag, result.delay_ns // 1_000_000)
    else:
        _log.log(level, "outbound %s does not answer: %s", tag, result.error)
