"""Processor, memory and descriptors, of processes and of the host. From /proc; elsewhere what the standard library knows."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any, Final

_PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

DESCRIPTORS_EVERY_S: Final = 5.0
"""To count them is to list a folder, which with ten thousand connections is not nothing."""


class ProcessUsage:
    """Of one process, from call to call."""

    __slots__ = ("_at", "_counted_at", "_cpu_s", "_descriptors", "_folder")

    def __init__(self, pid: int) -> None:
        self._folder = _PROC / str(pid)
        self._cpu_s = -1.0
        self._at = 0.0
        self._counted_at = -DESCRIPTORS_EVERY_S
        self._descriptors = 0

    def read(self) -> dict[str, Any]:
        """cpu, memory and descriptors as WorkerState has them, as far as they are known."""
        try:
            text = (self._folder / "stat").read_text(errors="replace")
        except OSError:                 # it has just ended, or there is no /proc
            return {}
        now = time.monotonic()
        words = text[text.rindex(")") + 2 :].split()        # the name before it may hold anything
        cpu_s = (int(words[11]) + int(words[12])) / _TICKS_PER_S
        found: dict[str, Any] = {"memory": int(words[21]) * _PAGE_BYTES}
        if self._cpu_s >= 0 and now > self._at:
            found["cpu"] = round((cpu_s - self._cpu_s) / (now - self._at), 3)
        self._cpu_s, self._at = cpu_s, now
        if now >= self._counted_at + DESCRIPTORS_EVERY_S:
            self._counted_at = now
            try:
                self._descriptors = len(os.listdir(self._folder / "fd"))
            except OSError:
                self._descriptors = 0
        found["descriptors"] = self._descriptors
        return found


class HostUsage:
    """Of the host, from call to call."""

    __slots__ = ("_busy", "_total")

    def __init__(self) -> None:
        self._busy = 0
        self._total = 0

    def read(self) -> dict[str, Any]:
        """cpu, memory, memory_total and load as HostState has them, as far as they are known."""
        found: dict[str, Any] = {"load": round(os.getloadavg()[0], 2)}
        with contextlib.suppress(ValueError, OSError):
            found["memory_total"] = os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES
        try:
            words = (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
            memory = dict(line.split()[:2] for line in (_PROC / "meminfo").read_text().splitlines() if line)
        except OSError:                 # no Linux
            return found
        ticks = [int(word) for word in words]
        total, idle = sum(ticks), ticks[3] + ticks[4]       # user nice system idle iowait irq softirq steal
        if self._total and total > self._total:
            found["cpu"] = round((total - idle - self._busy) / (total - self._total), 3)
        self._busy, self._total = total - idle, total
        found["memory"] = (int(memory["MemTotal:"]) - int(memory.get("MemAvailable:", memory["MemFree:"]))) * 1024
        return found
