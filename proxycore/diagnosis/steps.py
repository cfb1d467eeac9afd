"""One line of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from proxycore.messages.questions import Outcome, Step

MAX_SEEN_CHARS: Final = 500


@dataclass(slots=True)
class Steps:
    """The lines of one diagnosis, in the order in which they were tried."""

    lines: list[Step] = field(default_factory=list)

    @property
    def has_failed(self) -> bool:
        return any(line["outcome"] == "failed" for line in self.lines)

    def ok(self, name: str, title: str, seen: str, ms: float | None = None) -> None:
        self._add(name, title, "ok", seen, ms=ms)

    def failed(self, name: str, title: str, seen: str, cause: str, remedy: str, ms: float | None = None) -> None:
        self._add(name, title, "failed", seen, cause, remedy, ms)

    def warn(self, name: str, title: str, seen: str, cause: str = "", remedy: str = "") -> None:
        self._add(name, title, "warning", seen, cause, remedy)

    def skipped(self, name: str, title: str, why: str) -> None:
        self._add(name, title, "skipped", why)

    def _add(
        self, name: str, title: str, outcome: Outcome, seen: str, cause: str = "", remedy: str = "", ms: float | None = None
    ) -> None:
        step = Step(name=name, title=title, outcome=outcome, seen=seen[:MAX_SEEN_CHARS])
        if cause:
            step["cause"] = cause
        if remedy:
            step["remedy"] = remedy
        if ms is not None:
            step["ms"] = round(ms, 1)
        self.lines.append(step)
