"""When state is told: a worker at the full second, its agent when its workers have, the panel when its agents have.

Each gathers for a moment what comes together, and then waits a while before it speaks again. So who reads a page waits for one
beat, that of the worker, and not for three; and where all clocks are right, everybody speaks once a second. Where they are not,
hosts speak at different moments, and the panel tells of each at most LEAST_S later: then its patches are smaller, and more.
"""

from __future__ import annotations

from typing import Final

BEAT_S: Final = 1.0
WORKER_S: Final = 0.0
AGENT_S: Final = 0.15
"""Of an agent whose workers have nothing to say: of its host there always is."""

GATHER_S: Final = 0.1
"""From the first word until what came by then is passed on."""

LEAST_S: Final = 0.5
"""From one time to the next, whatever happens."""


def until_next(clock_s: float, phase_s: float) -> float:
    """Seconds from `clock_s` (Unix time) to the next moment of this phase that is not too soon."""
    left_s = (phase_s - clock_s) % BEAT_S
    return left_s if left_s >= LEAST_S else left_s + BEAT_S


class Gathering:
    """Of one that passes on what it hears. Time, by a clock that only goes forward, is an argument."""

    __slots__ = ("_told_at", "due")

    def __init__(self) -> None:
        self.due: float | None = None       # when to tell; None: nothing has changed
        self._told_at = float("-inf")

    def changed(self, now: float) -> bool:
        """There is something to tell. True: the first since the last time."""
        if self.due is not None:
            return False
        self.due = max(now + GATHER_S, self._told_at + LEAST_S)
        return True

    def told(self, now: float) -> None:
        self.due = None
        self._told_at = now
