"""Two minutes of every tunnel of a node: what charts begin with. Kept beside the node's connection, so that it is there when
the first browser comes."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from dashboard.live.tree import Tree, number, tunnels_of

POINTS: Final = 120
SPAN_S: Final = 125.0
EVERY_S: Final = 0.9            # states come once a second
MAX_TUNNELS: Final = 2000       # of one node; a point is some 100 bytes

Point = list[float]
"""[at, bytes up per second, down per second, sessions]"""


class _Line:
    __slots__ = ("at", "down", "points", "up")

    def __init__(self, at: float, up: int, down: int) -> None:
        self.at = at
        self.up = up
        self.down = down
        self.points: deque[Point] = deque(maxlen=POINTS)


class History:
    """Of one node: instance (as text) -> tag -> line."""

    __slots__ = ("_at", "_lines")

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, _Line]] = {}
        self._at = 0.0

    def feed(self, at: float, workers: Tree) -> None:
        """What the counters are now. More often than once a second adds nothing."""
        if at - self._at < EVERY_S:
            return
        self._at = at
        room = MAX_TUNNELS
        for instance in list(self._lines):
            if instance not in workers:
                del self._lines[instance]
        for instance, worker in workers.items():
            tunnels = tunnels_of(worker)
            lines = self._lines.setdefault(instance, {})
            for tag in list(lines):
                if tag not in tunnels:
                    del lines[tag]
            for tag, tunnel in tunnels.items():
                room -= 1
                if room >= 0:
                    _add(lines, tag, at, tunnel)

    def load(self, said: Any, at: float) -> None:
        """Begin with what another process kept: `as_json` of it."""
        for instance, tunnels in said.items():
            lines = self._lines.setdefault(instance, {})
            for tag, points in tunnels.items():
                line = lines[tag] = _Line(at, -1, -1)
                line.points.extend(points)

    def as_json(self) -> dict[str, dict[str, list[Point]]]:
        return {
            instance: {tag: list(line.points) for tag, line in lines.items()} for instance, lines in self._lines.items() if lines}


def _add(lines: dict[str, _Line], tag: str, at: float, tunnel: Tree) -> None:
    up, down = number(tunnel.get("up")), number(tunnel.get("down"))
    line = lines.get(tag)
    if line is None:
        lines[tag] = _Line(at, up, down)
        return
    passed = at - line.at
    if line.up >= 0 and passed > 0:
        # Counters that went back are those of another worker, which began at zero.
        moved_up = up - line.up if up >= line.up else up
        moved_down = down - line.down if down >= line.down else down
        line.points.append([round(at, 1), round(moved_up / passed), round(moved_down / passed), number(tunnel.get("sessions"))])
    while line.points and line.points[0][0] < at - SPAN_S:
        line.points.popleft()
    line.at, line.up, line.down = at, up, down
