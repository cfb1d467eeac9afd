"""Whether a revision stands: the worker lives, the tunnels that were up come back, a person says so where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from proxycore.agent.documents import Trial

SETTLE_S: Final = 1.5
"""What was up when a document was applied is still in the state that the worker sent last: it sends once a second."""

LATELY_S: Final = 3.0
"""A tunnel that changes its carrier just when the time is over is not gone."""

Tunnel = tuple[str, str]


def tunnels(state: Mapping[str, Any]) -> set[Tunnel]:
    """All tunnels of a WorkerState, as (kind, tag)."""
    return {(kind, tag) for kind in ("portal", "bridge") for tag in state.get(f"{kind}s", {})}


def tunnels_up(state: Mapping[str, Any]) -> set[Tunnel]:
    """Those that have a carrier; one that goes on from an earlier document says nothing about the one of now."""
    return {(kind, tag) for kind, tag in tunnels(state) if _is_up(state[f"{kind}s"][tag])}


def _is_up(tunnel: Mapping[str, Any]) -> bool:
    return any(not carrier.get("leaving") for carrier in tunnel.get("carriers", {}).values())


class Judge:
    """Follows one trial. Time (Unix seconds) is an argument."""

    __slots__ = ("_seen", "trial")

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._seen: dict[Tunnel, float] = {}        # when it was last up

    def look(self, now: float, state: Mapping[str, Any], *, is_running: bool = True) -> str | None:
        """The verdict on a WorkerState: None not yet, "" it stands, else a sentence why it does not.

        A tunnel that the new document does not have is not in the state, and need not come back.
        """
        trial = self.trial
        if now < trial.since:           # the host's clock was set back: no trial is to last as long as it was wrong
            trial.since, trial.until = now, now + trial.until - trial.since
            self._seen.clear()
        if now >= trial.since + SETTLE_S:
            self._seen.update((tunnel, now) for tunnel in tunnels_up(state))
        there = tunnels(state)
        missing = [one for one in trial.tunnels if one in there and self._seen.get(one, 0.0) < now - LATELY_S]
        if trial.is_confirmed and is_running and not missing and now >= trial.since + SETTLE_S:
            return ""
        if now < max(trial.until, trial.since + SETTLE_S):
            return None
        if not is_running:
            return f"its worker did not run after {self._length}"
        if missing:
            named = ", ".join(f"{kind} {tag}" for kind, tag in missing[:5])
            return f"{named} did not come back within {self._length}"
        if trial.needs_confirm and not trial.is_confirmed:
            return f"nobody confirmed it within {self._length}"
        return ""

    @property
    def _length(self) -> str:
        return f"{self.trial.until - self.trial.since:.0f} s"
