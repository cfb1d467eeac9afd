"""What a document says about observing; intervals in seconds. Source: Xray-core infra/conf/observatory.go,
app/observatory/burst/healthping.go.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from proxycore.observatory.probe_url import ProbeUrl

DEFAULT_PROBE_URL = "https://www.google.com/generate_204"
DEFAULT_PROBE_INTERVAL_S = 10.0
LEAST_PROBE_INTERVAL_S = 0.1
"""Of an observatory; a shorter one is taken for this."""

PROBE_TIMEOUT_S = 5.0

DEFAULT_BURST_URL = "https://connectivitycheck.gstatic.com/generate_204"
DEFAULT_BURST_INTERVAL_S = 60.0
LEAST_BURST_INTERVAL_S = 10.0
DEFAULT_SAMPLING = 10
MAX_SAMPLING = 1000


class ObservatorySettings(NamedTuple):
    """`is_concurrent`: all outbounds at once, then a pause; else one, a pause, the next."""

    path: str
    selector: tuple[str, ...]
    url: ProbeUrl
    interval_s: float = DEFAULT_PROBE_INTERVAL_S
    is_concurrent: bool = False


class BurstSettings(NamedTuple):
    """`sampling` probes of each outbound at random times within `sampling` intervals. `connectivity` is asked directly,
    when a probe fails: if that fails too, this host is offline and the probe does not count."""

    path: str
    selector: tuple[str, ...]
    url: ProbeUrl
    connectivity: ProbeUrl | None = None
    interval_s: float = DEFAULT_BURST_INTERVAL_S
    sampling: int = DEFAULT_SAMPLING
    timeout_s: float = PROBE_TIMEOUT_S
    method: str = "HEAD"

    @property
    def round_s(self) -> float:
        """The time over which the probes of one round are spread."""
        return self.interval_s * self.sampling


Observed: TypeAlias = ObservatorySettings | BurstSettings
