"""What is known of an outbound from probing it. Source: Xray-core app/observatory/config.proto."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

DEAD_DELAY_MS = 99_999_999
"""The delay of an outbound whose last probe failed, as the cores report it."""

NS_PER_MS = 1_000_000


class Statistics(NamedTuple):
    """Of the probes of one outbound that still count. Durations in nanoseconds; those of failed probes are left out."""

    all: int
    failed: int
    average_ns: int = 0
    deviation_ns: int = 0
    min_ns: int = 0
    max_ns: int = 0


class Observation(NamedTuple):
    """One outbound. `delay_ms`: of the last probe (observatory), or the average (burstObservatory).

    `failures`: failed probes, in a row (observatory) or of those that count (burstObservatory). `last_try` and `last_seen`
    (alive) are Unix times in seconds, 0: never. `statistics` are those of a burstObservatory, else None.
    """

    is_alive: bool
    delay_ms: int
    last_try: float = 0.0
    last_seen: float = 0.0
    failures: int = 0
    error: str = ""
    statistics: Statistics | None = None


Observations: TypeAlias = Mapping[str, Observation]
"""By tag. What was not probed yet is not in it."""
