"""Port lists: `80`, `"80"`, `"1000-1002"`, `"80, 443-445"`, `"env:NAME"`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from proxycore.destination import Request
from proxycore.routing.condition import Condition, Side

MAX_PORT = 65535
PortRange: TypeAlias = tuple[int, int]      # first and last port, both inside
_ENVIRONMENT = "env:"


def parse_ports(value: object, environ: Mapping[str, str]) -> tuple[PortRange, ...]:
    """Read a port list as ranges, in the order in which they are written.

    Narrower than Xray in two points that are mistakes everywhere: a number above 65535, and a range such as "5-3"
    that contains no port. Raises ValueError with one sentence.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return (_checked(value, value),)
    if not isinstance(value, str):
        raise ValueError('a port number, or text such as "80,1000-1002", is expected')
    if value.startswith(_ENVIRONMENT):
        name = value.removeprefix(_ENVIRONMENT)
        if name not in environ:
            raise ValueError(f"the environment variable {name[:64]} is not set")
        return (_part(environ[name].strip()),)
    ranges = tuple(_part(part.strip()) for part in value.split(",") if part.strip())
    if not ranges:
        raise ValueError("the list contains no port")
    return ranges


def _part(text: str) -> PortRange:
    first, dash, last = text.partition("-")
    low = _number(first.strip())
    return _checked(low, _number(last.strip()) if dash else low)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise ValueError("a port must be a number from 0 to 65535, or a range such as 1000-1002")
    return int(text)


def _checked(low: int, high: int) -> PortRange:
    if not (0 <= low <= MAX_PORT and 0 <= high <= MAX_PORT):
        raise ValueError(f"a port must be from 0 to {MAX_PORT}")
    if low > high:
        raise ValueError(f"the range {low}-{high} contains no port")
    return low, high


def show_ports(ranges: Sequence[PortRange]) -> str:
    """Ranges as they are written in a document."""
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


class PortCondition(Condition):
    """The port on one side of the request is in the list. Port 0 is not inside 1-65535."""

    __slots__ = ("_highs", "_lows", "ranges", "side")

    def __init__(self, side: Side, ranges: Sequence[PortRange]) -> None:
        self.side = side
        self.ranges = tuple(ranges)
        lows: list[int] = []
        highs: list[int] = []
        for low, high in sorted(ranges):
            if highs and low <= highs[-1] + 1:
                highs[-1] = max(highs[-1], high)
            else:
                lows.append(low)
                highs.append(high)
        self._lows, self._highs = lows, highs

    def holds(self, request: Request) -> bool:
        port = port_of(request, self.side)
        return port is not None and self.has(port)

    def has(self, port: int) -> bool:
        """Whether `port` is in the list."""
        position = bisect_right(self._lows, port) - 1
        return position >= 0 and port <= self._highs[position]

    def why(self, request: Request) -> str:
        port = port_of(request, self.side)
        if port is None:
            return f"the {self.side} port is not known"
        return f"the {self.side} port {port} is {'' if self.holds(request) else 'not '}in {show_ports(self.ranges)}"

    @property
    def width(self) -> int:
        """How many ports are in the list."""
        return sum(high - low + 1 for low, high in zip(self._lows, self._highs, strict=True))


def port_of(request: Request, side: Side) -> int | None:
    """The port on that side of the request, if it is known."""
    if side == "destination":
        return request.destination.port
    known = request.source if side == "source" else request.local
    return None if known is None else known[1]
