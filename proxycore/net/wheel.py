"""Deadlines for very many objects at almost no cost: one timer for all of them, in steps of a second.

An idle limit is not a timer that each read pushes forward. An object is looked at once per period; it compares
what it counted then with now. So a limit of 300 s fires after 300 to 600 s of silence, as in the Go cores, and
the byte path pays nothing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

STEP_S = 1.0
_SLOTS = 1024          # a longer period is cut into laps of this many steps
_NUMBERS = tuple(range(_SLOTS))     # of slots: a number of its own for each watched object would be 32 bytes
_DUE = -2             # taken out of its slot in this turn, not yet called
_log = logging.getLogger("xrev.wheel")


class Watched(Protocol):
    wheel_slot: int     # owned by the wheel; -1 while not watched

    def on_watch(self) -> float | None:
        """Called when the period is over. The next period in seconds, or None to be watched no longer."""


class Wheel:
    """Calls `on_watch` of watched objects when their period is over, between 0 and 1 step early."""

    __slots__ = ("_laps", "_loop", "_now", "_slots", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Without a loop nothing turns by itself: the caller calls `turn` (tests do)."""
        self._slots: list[dict[int, Watched]] = [{} for _ in range(_SLOTS)]
        self._laps: dict[int, int] = {}     # by id: steps that follow this lap of a period longer than all slots
        self._now = 0
        self._loop = loop
        self._timer = loop.call_later(STEP_S, self._on_timer) if loop is not None else None

    def watch(self, obj: Watched, period_s: float) -> None:
        """Look at `obj` in `period_s` seconds (again, if it was watched already)."""
        slot = obj.wheel_slot
        if slot >= 0:
            self._slots[slot].pop(id(obj), None)
        self._place(obj, int(period_s / STEP_S + 0.5) or 1)

    def _place(self, obj: Watched, steps: int) -> None:
        if steps >= _SLOTS:
            self._laps[id(obj)] = steps - (_SLOTS - 1)
            steps = _SLOTS - 1
        elif self._laps:
            self._laps.pop(id(obj), None)
        slot = _NUMBERS[(self._now + steps) % _SLOTS]
        obj.wheel_slot = slot
        self._slots[slot][id(obj)] = obj

    def forget(self, obj: Watched) -> None:
        """Stop watching `obj`; nothing happens if it was not watched."""
        if obj.wheel_slot >= 0:
            self._slots[obj.wheel_slot].pop(id(obj), None)
        obj.wheel_slot = -1
        self._laps.pop(id(obj), None)

    def turn(self) -> None:
        """One step of time has passed."""
        self._now = (self._now + 1) % _SLOTS
        due = self._slots[self._now]
        if not due:
            return
        self._slots[self._now] = {}
        for obj in due.values():
            obj.wheel_slot = _DUE
        for obj in due.values():
            if obj.wheel_slot != _DUE:      # watched again, or forgotten, by another object's callback
                continue
            obj.wheel_slot = -1
            steps = self._laps.pop(id(obj), 0)
            if steps:
                self._place(obj, steps)
                continue
            try:
                period_s = obj.on_watch()
            except Exception:   # noqa: BLE001 - a bug of ours must not stop the wheel
                _log.exception("on_watch of %s", type(obj).__name__)
                continue
            if period_s is not None:
                self.watch(obj, period_s)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(STEP_S, self._on_timer)
        self.turn()
