"""A portal and a bridge as two processes, with a target behind them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from tests.support import documents
from tests.support.processes import XREV, Process, Processes, free_port, until
from tests.support.target import Target, is_served

Part = Literal["portal", "bridge"]
START_S = 20.0
RUNS = "is running"


class Tunnel:
    """Public ports: `port` leads to the target's, `greeting_port` and `udp_port` too, `refused_port` to nobody."""

    def __init__(
        self,
        processes: Processes,
        target: Target,
        portal: Sequence[str] = XREV,
        bridge: Sequence[str] = XREV,
        *,
        level: str = "info",
        security: str = "aes-128-gcm",
    ) -> None:
        self.processes = processes
        self.target = target
        self.programs = {"portal": portal, "bridge": bridge}
        self.port, self.greeting_port, self.udp_port, self.refused_port = (free_port() for _ in range(4))
        self.carrier_port = free_port()
        doors = [
            documents.door("web", self.port, target.port),
            documents.door("greeting", self.greeting_port, target.greeting_port),
            documents.door("udp", self.udp_port, target.udp_port, "udp"),
            documents.door("refused", self.refused_port, free_port()),
        ]
        self.documents = {
            "portal": documents.portal(doors, self.carrier_port, level=level),
            "bridge": documents.bridge(self.carrier_port, level=level, security=security),
        }
        self.parts: dict[str, Process] = {}

    @property
    def portal(self) -> Process:
        return self.parts["portal"]

    @property
    def bridge(self) -> Process:
        return self.parts["bridge"]

    def start(self, part: Part) -> None:
        self.parts[part] = self.processes.run_document(part, self.programs[part], self.documents[part])
        if part == "portal":
            self.portal.await_port(self.carrier_port)

    def up(self) -> Tunnel:
        """Start both, and return when the target answers."""
        self.start("portal")
        self.start("bridge")
        self.await_served(START_S)
        return self

    def await_served(self, timeout_s: float) -> None:
        """Return when the target answers."""
        until("the target answers through the tunnel", lambda: is_served(self.port), timeout_s)

    def restart(self, part: Part) -> tuple[float, float]:
        """SIGKILL it, start it again: the seconds that it was away, and those from then to the first answer."""
        before = self.parts[part].log.count(RUNS)
        self.parts[part].kill()
        begin = time.monotonic()
        self.start(part)
        if self.programs[part] is XREV:         # its interpreter starts as quickly as the machine lets it
            until(f"the {part} runs", lambda: self.parts[part].log.count(RUNS) > before, START_S)
        up = time.monotonic()
        until(f"served again after the {part} was killed", lambda: is_served(self.port), START_S)
        return up - begin, time.monotonic() - up
