"""Many workers in one process, for live_load.py: `python light_workers.py FIFO`.

Two hundred real ones would take some 6 GiB, and time of the cores whose use is measured. So what an agent starts is a shell
that writes its number and its socket's path into FIFO and becomes a `sleep`: a process that the agent watches and may signal. Its
socket is served here, in the words of proxycore/messages/worker.py: once a second, at the second as real workers do, each says
what moved in a portal of two carriers. Nothing is relayed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from proxycore.messages.beat import WORKER_S, until_next
from proxycore.tasks import spawn
from proxycore.worker.door import bind
from tests.support.light_worker import Agent, LightWorker

COMMAND: Final = """sh -c 'echo "$$ $2" > {fifo}; exec sleep 100000' light"""
"""For --worker-command of an agent, which adds --socket PATH."""


def moving(since: float) -> dict[str, Any]:
    """The worker's part of a WorkerState: `last_seen` of the portal is the moment at which it was read."""
    now = time.time()
    second = int(now - since)
    moved = second * 125_000
    carriers = {
        str(number): {"peer": f"198.51.100.{number}:4000", "core": "xrev", "health": "active",
                      "rtt_ms": round(random.uniform(10, 40), 1), "sessions": random.randint(0, 50),
                      "opened": second * 3, "since": 0.0, "up": moved, "down": moved * 9}
        for number in (1, 2)
    }
    portal = {"domain": "reverse", "carriers": carriers, "sessions": random.randint(0, 100), "opened": second * 6, "failed": 0,
              "up": moved * 2, "down": moved * 18, "last_seen": round(now, 3)}
    return {
        "lag_ms": round(random.uniform(0, 3), 1), "sessions": random.randint(0, 100), "connections": second * 6,
        "inbounds": {"web": {"protocol": "dokodemo-door", "listen": ["0.0.0.0:443/tcp"], "open": 50, "accepted": second * 6}},
        "portals": {"portal": portal},
    }


class Moving(LightWorker):
    def __init__(self, pid: int) -> None:
        super().__init__()
        self.pid = pid

    def state(self) -> dict[str, Any]:
        return moving(self.since)

    async def listen(self, path: str) -> None:
        await asyncio.get_running_loop().create_unix_server(lambda: Agent(self), sock=bind(path))

    def end(self, code: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)


async def serve(fifo: str) -> None:
    loop = asyncio.get_running_loop()
    workers: list[Moving] = []
    waiting = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)      # for writing too, so that there is no end of it
    rest = b""

    def begin() -> None:
        nonlocal rest
        *lines, rest = (rest + os.read(waiting, 65536)).split(b"\n")
        for line in lines:
            pid, _, path = line.decode().partition(" ")
            workers.append(worker := Moving(int(pid)))
            spawn(f"worker {pid}", worker.listen(path))

    loop.add_reader(waiting, begin)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(until_next(time.time(), WORKER_S)):
                await ended.wait()
        for worker in workers:
            if worker.sha256:
                worker.tell_state()
    for worker in workers:
        worker.end(0)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
