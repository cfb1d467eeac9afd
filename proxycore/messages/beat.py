"""When state is told, by the clock: a worker at the full second, its agent a quarter later, the panel another quarter later.

Each tells once a second. If each counted its own second from whenever it began, a byte might need three of them to be seen;
so it needs less than two. Clocks of hosts that differ cost at most what they cost before.
"""

from __future__ import annotations

from typing import Final

BEAT_S: Final = 1.0
WORKER_S: Final = 0.0
AGENT_S: Final = 0.25
PANEL_S: Final = 0.5
LEAST_S: Final = 0.3
"""Who is late, since its machine is busy, waits at least so long."""


def until_next(clock_s: float, phase_s: float) -> float:
    """Seconds from `clock_s` (Unix time) to the next moment of this phase."""
    left_s = (phase_s - clock_s) % BEAT_S
    return left_s if left_s >= LEAST_S else left_s + BEAT_S
