"""The last probes of one outbound, and their statistics. Source: Xray-core app/observatory/burst/healthping_result.go."""

from __future__ import annotations

from collections import deque
from math import inf, sqrt

from proxycore.balancing.observation import Statistics


class Samples:
    """Keeps `size` probes, each of which counts for `validity_s`. Times are in seconds, of any one clock."""

    __slots__ = ("_samples", "_validity_s")

    def __init__(self, size: int, validity_s: float) -> None:
        self._samples: deque[tuple[float, int | None]] = deque(maxlen=size)
        self._validity_s = validity_s

    def put(self, now_s: float, delay_ns: int | None) -> None:
        """One more probe; None: it failed."""
        self._samples.append((now_s, delay_ns))

    def valid_until_s(self, now_s: float) -> float:
        """When the statistics change next, unless there is another probe."""
        return min((at + self._validity_s for at, _ in self._samples if at + self._validity_s >= now_s), default=inf)

    def statistics(self, now_s: float) -> Statistics:
        """With a single answered probe, half of its delay stands for the deviation: else it would always be the steadiest."""
        counting = [delay for at, delay in self._samples if now_s - at <= self._validity_s]
        delays = [delay for delay in counting if delay is not None]
        failed = len(counting) - len(delays)
        if not delays:
            return Statistics(failed, failed)
        average = sum(delays) // len(delays)
        variance = sum((delay - average) ** 2 for delay in delays) / len(delays)
        deviation = average // 2 if len(delays) == 1 else int(sqrt(variance))
        return Statistics(len(counting), failed, average, deviation, min(delays), max(delays))
