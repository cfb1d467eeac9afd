"""How the panel bears agents and browsers: N agents of M instances, and K browsers that follow.

    python bench/live_load.py [--agents 20] [--instances 10] [--browsers 50] [--seconds 60] [--real-agents]

It runs a panel of its own (daphne, the embedded Valkey) in a temporary folder. Agents speak the link as real ones do, from this
program; with --real-agents they are `python -m proxycore agent`, a process each, with a process for each worker whose words
light_workers.py says. What all of them carry changes every second, and nothing is relayed.

What it prints: the share of a core and the memory of the panel's processes (and of agents that are real), and how old a state is
when a browser has it, from when it was read in the worker. One browser reads what it gets, the others acknowledge.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.light_workers import COMMAND, moving
from proxycore.agent.state_dir import Identity, StateDir
from proxycore.messages.beat import AGENT_S, BEAT_S, until_next
from proxycore.tasks import spawn
from tests.support.panel import Served, served
from tests.support.processes import Process

SAMPLE_S = 5.0

_VERSION = re.compile(r'\{"type":"(full|patch)","version":(\d+),')
_ROWS = """
import json
from django.contrib.auth.models import User
from dashboard.services.importing import import_new
from dashboard.services.joining import join, make_join_token
from dashboard.services.publishing import publish
from dashboard.services.tokens import create_token
ada = User.objects.create_superuser("ada", password="correct horse battery")
said = {{"token": create_token(ada, by=None, name="load", scope="read")[1], "agents": []}}
for agent in range({agents}):
    node, identity = join(make_join_token(by=None, name=f"n{{agent}}")[1], wished_name=f"n{{agent}}", version="1", address=None)
    pks = []
    for number in range({instances}):
        made, _ = import_new('{{"outbounds": [{{"protocol": "freedom"}}]}}', name=f"i{{agent}}-{{number}}", node=node, by=None)
        publish(made, by=None, accept_warnings=True)
        pks.append(made.pk)
    said["agents"].append([identity, node.pk, pks])
print(json.dumps(said))
"""


async def agent(url: str, identity: str, instances: list[int], end: float, phase_s: float) -> None:
    """One that is not real. `phase_s`: the moment of each second at which it speaks."""
    headers = {"Authorization": f"Bearer {identity}"}
    begun = time.time()
    async with connect(f"{url}/agent/v1/", additional_headers=headers, max_size=None, compression=None) as socket:
        await socket.send(json.dumps({"type": "hello", "version": "1", "boot": identity[-8:], "at": time.time()}))
        listening = spawn("listens", _drain(socket))
        turn = 0
        while time.time() < end:
            await asyncio.sleep(until_next(time.time(), phase_s))
            workers = {
                str(pk): {"phase": "running", "pid": 1, "since": 0.0, "revision": 1, "cpu": round(random.random(), 2),
                          "memory": 40_000_000, "descriptors": 40, **moving(begun)}
                for pk in instances}
            state = {"host": {"cpu": round(random.random(), 2), "load": round(random.random(), 2)}, "workers": workers}
            await socket.send(json.dumps({"type": "state", "at": time.time(), "patch": state, "is_full": turn == 0}))
            if turn % 10 == 9:
                moved = [{"instance": pk, "kind": "tunnel", "name": "portal", "up": 1, "down": 1} for pk in instances]
                await socket.send(json.dumps({
                    "type": "traffic", "boot": "b", "seq": turn, "at": int(time.time()) // 10 * 10, "moved": moved}))
            turn += 1
        listening.cancel()


async def _drain(socket: Any) -> None:
    async for _ in socket:
        pass


@contextmanager
def real_agents(panel: Served, agents: list[Any]) -> Iterator[list[Process]]:
    """Joined already, and each with its light workers."""
    fifo = panel.folder / "workers"
    os.mkfifo(fifo)
    workers = Process("light workers", [sys.executable, "bench/light_workers.py", str(fifo)], panel.folder)
    started: list[Process] = []
    try:
        for identity, node, _ in agents:
            folder = StateDir(panel.folder / f"n{node}")
            folder.open()
            folder.write_identity(Identity(identity=identity, node=node, name=f"n{node}", panel=panel.url))
            folder.close()
            started.append(Process(f"agent {node}", [
                sys.executable, "-m", "proxycore", "agent", "--state-dir", str(folder.path), "--drain-s", "0",
                "--worker-command", COMMAND.format(fifo=fifo), "--log-level", "warning"], panel.folder))
        yield started
    finally:
        for one in started:
            one.end()
        workers.end()


async def browser(url: str, token: str, end: float, ages: list[float], sizes: list[int], is_read: bool) -> None:
    """One that is not `is_read` only acknowledges: fifty that read would measure this program, not the panel."""
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(f"{url}/ws/live/", additional_headers=headers, max_size=None, compression=None) as socket:
        while time.time() < end:
            try:
                text = await asyncio.wait_for(socket.recv(), 5)
            except TimeoutError:
                continue
            if (version := _VERSION.match(text)) is None:
                continue
            await socket.send(json.dumps({"ack": int(version[2])}))
            if version[1] != "patch":
                continue
            sizes.append(len(text))
            if is_read:
                now = time.time()               # one machine, one clock
                for node in json.loads(text)["patch"]["nodes"].values():
                    ages += [now - at for worker in node.get("workers", {}).values() if (at := _read_at(worker))]


def _read_at(worker: dict[str, Any]) -> float | None:
    at: float | None = worker.get("portals", {}).get("portal", {}).get("last_seen")
    return at


class Uses:
    """CPU seconds and memory of some processes, sampled while they run."""

    def __init__(self, name: str, pids: list[int]) -> None:
        self.name = name
        self._pids = pids
        self._cpu_s, self.first_mib = self._read()
        self.most_mib = self.last_mib = self.first_mib
        self._begun = time.monotonic()

    def sample(self) -> None:
        self.last_mib = self._read()[1]
        self.most_mib = max(self.most_mib, self.last_mib)

    def __str__(self) -> str:
        share = (self._read()[0] - self._cpu_s) / (time.monotonic() - self._begun)
        return (f"{self.name}: {share:.2f} of a core; {self.first_mib:.0f} MiB at the begin, {self.last_mib:.0f} at the end, "
                f"{self.most_mib:.0f} at most")

    def _read(self) -> tuple[float, float]:
        cpu_s = mib = 0.0
        for pid in self._pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            cpu_s += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            mib += pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        return cpu_s, mib


async def measure(asked: argparse.Namespace, url: str, said: dict[str, Any], pids: dict[str, list[int]]) -> None:
    end = time.time() + asked.warm + asked.seconds
    ages: list[float] = []
    sizes: list[int] = []
    running = []
    if not asked.real_agents:
        phases = [random.random() if asked.scattered else AGENT_S for _ in said["agents"]]
        running = [spawn("agent", agent(url, identity, pks, end + 2, phase))
                   for (identity, _, pks), phase in zip(said["agents"], phases, strict=True)]
    await asyncio.sleep(3)
    running += [spawn("browser", browser(url, said["token"], end, ages, sizes, not number))
                for number in range(asked.browsers)]
    await asyncio.sleep(asked.warm)
    ages.clear()
    sizes.clear()
    uses = [Uses(name, listed) for name, listed in pids.items()]
    begun = time.time()
    while time.time() < end - 3:
        await asyncio.sleep(min(SAMPLE_S, max(end - 3 - time.time(), 0.1)))
        for one in uses:
            one.sample()
    passed = time.time() - begun
    kind = "real agents" if asked.real_agents else "agents"
    print(f"{asked.agents} {kind} with {asked.instances} instances, {asked.browsers} browsers, {passed:.0f} s")
    print(*uses, sep="\n")
    cuts = statistics.quantiles(ages, n=1000)
    expected = asked.agents * asked.instances * passed / BEAT_S
    print(f"age of a worker's state at a browser: median {cuts[499]:.2f} s, 95 % {cuts[949]:.2f} s, 99.9 % {cuts[998]:.2f} s, "
          f"most {max(ages):.2f} s; {len(ages)} of {expected:.0f} seen")
    per_browser = len(sizes) / asked.browsers / passed
    print(f"patches: {per_browser:.2f} a second for each browser, {statistics.mean(sizes) / 1024:.0f} KiB each")
    await asyncio.gather(*running, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--instances", type=int, default=10)
    parser.add_argument("--browsers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm", type=float, default=10)
    parser.add_argument("--real-agents", action="store_true")
    parser.add_argument(
        "--scattered", action="store_true", help="agents that are not real speak as on hosts whose clocks are not set")
    asked = parser.parse_args()
    with ExitStack() as stack:
        panel = stack.enter_context(served("--without", "agent", "--without", "celery"))
        said = json.loads(panel.python(_ROWS.format(agents=asked.agents, instances=asked.instances)).strip().splitlines()[-1])
        pids = {"web process": [panel.part("web")], "valkey": [panel.part("valkey")]}
        if asked.real_agents:
            pids["agents in all"] = [one.pid for one in stack.enter_context(real_agents(panel, said["agents"]))]
        asyncio.run(measure(asked, f"ws://127.0.0.1:{panel.port}", said, pids))


if __name__ == "__main__":
    main()
