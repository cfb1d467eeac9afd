"""`observatory`: probes each outbound again and again; the last probe of each counts.

Source: Xray-core app/observatory/observer.go.
"""

from __future__ import annotations

import asyncio

from proxycore.balancing.observation import DEAD_DELAY_MS, NS_PER_MS, Observation, Observations
from proxycore.observatory.observer import Observer, Surroundings, log_change
from proxycore.observatory.probe import Prober, ProbeResult
from proxycore.observatory.settings import PROBE_TIMEOUT_S, ObservatorySettings


class SimpleObservatory(Observer):
    """One at a time, with a pause after each; or all at once, with a pause after all of them."""

    def __init__(self, settings: ObservatorySettings, around: Surroundings) -> None:
        """Raises: ConfigError, TLS cannot be used here."""
        super().__init__(settings.selector, around)
        self._settings = settings
        self._prober = Prober(settings.url, f"{settings.path}.probeURL", around.loop, around.wheel, PROBE_TIMEOUT_S)
        self._observations: dict[str, Observation] = {}
        self._left: list[str] = []          # of this round, the next one last
        self._timer: asyncio.TimerHandle | None = None
        self._is_running = False

    @property
    def observations(self) -> Observations:
        return self._observations

    def start(self) -> None:
        if not self._is_running and self._settings.selector:
            self._is_running = True
            self._on_pause_over()

    def stop(self) -> None:
        self._is_running = False
        if self._timer is not None:
            self._timer.cancel()
        self._left.clear()
        super().stop()

    def _on_pause_over(self) -> None:
        self._timer = None
        if not self._left:
            self._left = self._select()[::-1]
            self._forget_removed()
        if self._settings.is_concurrent:
            tags, self._left = self._left, []
        else:
            tags, self._left = self._left[-1:], self._left[:-1]
        for tag in reversed(tags):
            self._probe(self._prober, tag, self._on_result)
        if not tags:
            self._pause()

    def _on_result(self, tag: str, result: ProbeResult) -> None:
        earlier = self._observations.get(tag)
        log_change(tag, earlier.is_alive if earlier is not None else None, result)
        now = self._around.now()
        if result.delay_ns is not None:
            self._observations[tag] = Observation(True, result.delay_ns // NS_PER_MS, now, now)
        else:
            last_seen, failures = (earlier.last_seen, earlier.failures) if earlier is not None else (0.0, 0)
            self._observations[tag] = Observation(False, DEAD_DELAY_MS, now, last_seen, failures + 1, result.error)
        if not self._probes:
            self._pause()

    def _pause(self) -> None:
        if self._is_running:
            self._timer = self._loop.call_later(self._settings.interval_s, self._on_pause_over)

    def _forget_removed(self) -> None:
        for tag in self._observations.keys() - set(self._left):
            del self._observations[tag]
