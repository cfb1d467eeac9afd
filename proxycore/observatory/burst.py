"""`burstObservatory`: many probes of each outbound at random times, and their statistics.

Source: Xray-core app/observatory/burst. Where this differs: probes that a round has under way at its end still count.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from math import inf

from proxycore.balancing.observation import DEAD_DELAY_MS, NS_PER_MS, Observation, Observations, Statistics
from proxycore.observatory.observer import Observer, Surroundings, log_change
from proxycore.observatory.probe import Prober, ProbeResult
from proxycore.observatory.samples import Samples
from proxycore.observatory.settings import BurstSettings

VALID_ROUNDS = 2
"""How long a probe counts: in two rounds running, one may come at the beginning and the next at the end."""

_log = logging.getLogger("xrev.observatory")


class _Record:
    """What was seen of one outbound."""

    __slots__ = ("error", "is_alive", "last_seen", "last_try", "samples")

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.is_alive: bool | None = None       # by the last probe
        self.last_try = 0.0
        self.last_seen = 0.0
        self.error = ""

    def observation(self, statistics: Statistics) -> Observation:
        is_alive = statistics.all != statistics.failed
        delay_ms = statistics.average_ns // NS_PER_MS if is_alive else DEAD_DELAY_MS
        return Observation(is_alive, delay_ms, self.last_try, self.last_seen, statistics.failed, self.error, statistics)


class BurstObservatory(Observer):
    """Probes everything once at the start, and then in rounds."""

    def __init__(
        self, settings: BurstSettings, around: Surroundings, roll: Callable[[], float] = random.random
    ) -> None:
        """`roll` gives a random number from 0 to before 1. Raises: ConfigError, TLS cannot be used here."""
        super().__init__(settings.selector, around)
        self._settings = settings
        self._roll = roll
        self._prober = Prober(
            settings.url, f"{settings.path}.pingConfig.destination", around.loop, around.wheel, settings.timeout_s,
            settings.method, reads_body=settings.method == "GET")
        self._connectivity = None
        if settings.connectivity is not None:
            self._connectivity = Prober(
                settings.connectivity, f"{settings.path}.pingConfig.connectivity", around.loop, around.wheel,
                settings.timeout_s, settings.method, reads_body=settings.method == "GET")
        self._records: dict[str, _Record] = {}
        self._timers: list[asyncio.TimerHandle] = []        # of this round
        self._is_running = False
        self._observations: dict[str, Observation] = {}
        self._valid_until_s = -inf

    @property
    def observations(self) -> Observations:
        """The same mapping until something changes."""
        now_s = self._loop.time()
        if now_s > self._valid_until_s:
            self._observations = {
                tag: record.observation(record.samples.statistics(now_s)) for tag, record in self._records.items()}
            self._valid_until_s = min((record.samples.valid_until_s(now_s) for record in self._records.values()), default=inf)
        return self._observations

    def start(self) -> None:
        if self._is_running or not self._settings.selector:
            return
        self._is_running = True
        for tag in self._select():
            self._probe(self._prober, tag, self._on_result)
        self._begin_round()

    def stop(self) -> None:
        self._is_running = False
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        super().stop()

    def _begin_round(self) -> None:
        tags = self._select()
        for tag in self._records.keys() - set(tags):
            del self._records[tag]
            self._valid_until_s = -inf
        round_s = self._settings.round_s
        self._timers = [
            self._loop.call_later(self._roll() * round_s, self._probe, self._prober, tag, self._on_result)
            for tag in tags for _ in range(self._settings.sampling)]
        self._timers.append(self._loop.call_later(round_s, self._begin_round))

    def _on_result(self, tag: str, result: ProbeResult) -> None:
        if result.delay_ns is not None or self._connectivity is None:
            self._put(tag, result)
        else:
            self._start(self._connectivity, self._around.dial, lambda direct: self._on_direct_result(tag, result, direct))

    def _on_direct_result(self, tag: str, result: ProbeResult, direct: ProbeResult) -> None:
        """A probe failed, and then this host was asked whether it is online at all."""
        if direct.delay_ns is not None:
            self._put(tag, result)
        else:
            _log.warning("this host seems to be offline: %s: %s", self._settings.connectivity, direct.error)

    def _put(self, tag: str, result: ProbeResult) -> None:
        if tag not in self._around.outbounds:
            return
        record = self._records.get(tag)
        if record is None:
            samples = Samples(self._settings.sampling, self._settings.round_s * VALID_ROUNDS)
            record = self._records[tag] = _Record(samples)
        log_change(tag, record.is_alive, result)
        record.is_alive = result.delay_ns is not None
        record.last_try = self._around.now()
        record.error = result.error
        if record.is_alive:
            record.last_seen = record.last_try
        record.samples.put(self._loop.time(), result.delay_ns)
        self._valid_until_s = -inf
