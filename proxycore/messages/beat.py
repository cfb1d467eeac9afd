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
IDLE_S: Final = 1.3
"""An agent whose workers say nothing for so long tells of its host, at the next AGENT_S."""

GATHER_S: Final = 0.1
"""From the first word until what came by then is passed on."""

LEAST_S: Final = 0.5
"""From one time to the next, whatever happens; more, up to MOST_S, where telling takes more than SHARE of that."""

MOST_S: Final = 0.8
"""Less than a beat: who was late once is in step again some beats later with those whom it hears."""

SHARE: Final = 0.1


def until_next(clock_s: float, phase_s: float, least_s: float = LEAST_S) -> float:
    """Seconds from `clock_s` (Unix time) to the next moment of this phase that is not sooner than `least_s`."""
    return least_s + (phase_s - clock_s - least_s) % BEAT_S


class Gathering:
    """Of one that passes on what it hears. Time, by a clock that only goes forward, is an argument."""

    __slots__ = ("_free_at", "due")

    def __init__(self) -> None:
        self.due: float | None = None       # when to tell; None: nothing has changed
        self._free_at = float("-inf")

    def changed(self, now: float) -> bool:
        """There is something to tell. True: the first since the last time."""
        if self.due is not None:
            return False
        self.due = max(now + GATHER_S, self._free_at)
        return True

    def telling(self, now: float) -> None:
        """What has changed up to now is told now. Say `told` when that is done."""
        self.due = None
        self._free_at = now + LEAST_S

    def told(self, began: float, now: float) -> None:
        self._free_at = began + min(max(LEAST_S, (now - began) / SHARE), MOST_S)
        if self.due is not None:
            self.due = max(self.due, self._free_at)
