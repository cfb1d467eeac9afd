"""How the panel bears agents and browsers: N agents of M instances speak the link as real ones do, K browsers follow.

    python bench/live_load.py [--agents 20] [--instances 10] [--browsers 50] [--seconds 60]

It runs a panel of its own (daphne, the embedded Valkey) in a temporary folder. What it prints: the web process's share of a core
and its memory at the begin and the end, and how old states are when a browser has them.
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
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from proxycore.tasks import spawn
from tests.support.panel import served

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
    said["agents"].append([identity, pks])
print(json.dumps(said))
"""


def worker(second: int) -> dict[str, Any]:
    """A worker with a portal of two carriers, which move something every second."""
    moved = second * 125_000
    carriers = {
        str(number): {"peer": f"198.51.100.{number}:4000", "core": "xrev", "health": "active",
                      "rtt_ms": round(random.uniform(10, 40), 1), "sessions": random.randint(0, 50),
                      "opened": second * 3, "since": 0.0, "up": moved, "down": moved * 9}
        for number in (1, 2)
    }
    portal = {"domain": "reverse", "carriers": carriers, "sessions": random.randint(0, 100), "opened": second * 6, "failed": 0,
              "up": moved * 2, "down": moved * 18}
    return {
        "phase": "running", "pid": 1, "since": 0.0, "revision": 1, "cpu": round(random.random(), 2), "memory": 40_000_000,
        "descriptors": 40, "lag_ms": round(random.uniform(0, 3), 1), "sessions": random.randint(0, 100),
        "connections": second * 6,
        "inbounds": {"web": {"protocol": "dokodemo-door", "listen": ["0.0.0.0:443/tcp"], "open": 50, "accepted": second * 6}},
        "portals": {"portal": portal},
    }


async def agent(url: str, identity: str, instances: list[int], end: float) -> None:
    headers = {"Authorization": f"Bearer {identity}"}
    async with connect(f"{url}/agent/v1/", additional_headers=headers, max_size=None, compression=None) as socket:
        await socket.send(json.dumps({"type": "hello", "version": "1", "boot": identity[-8:], "at": time.time()}))
        listening = spawn("listens", _drain(socket))
        second = 0
        await asyncio.sleep(random.random())
        while time.time() < end:
            state = {"host": {"cpu": round(random.random(), 2), "load": time.time()},
                     "workers": {str(pk): worker(second) for pk in instances}}
            await socket.send(json.dumps({"type": "state", "at": time.time(), "patch": state, "is_full": second == 0}))
            if second % 10 == 9:
                moved = [{"instance": pk, "kind": "tunnel", "name": "portal", "up": 1, "down": 1} for pk in instances]
                await socket.send(json.dumps({
                    "type": "traffic", "boot": "b", "seq": second, "at": int(time.time()) // 10 * 10, "moved": moved}))
            second += 1
            await asyncio.sleep(1)
        listening.cancel()


async def _drain(socket: Any) -> None:
    async for _ in socket:
        pass


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
            if version[1] == "patch":
                sizes.append(len(text))
            if version[1] == "patch" and is_read:
                now = time.time()
                message = json.loads(text)
                # `load` is the agent's clock when it spoke: one machine, one clock
                hosts = [state.get("host", {}) for state in message["patch"]["nodes"].values()]
                ages += [now - host["load"] for host in hosts if "load" in host]


def process(pid: int) -> tuple[float, float]:
    """(CPU seconds, MiB resident)"""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def measure(asked: argparse.Namespace, url: str, said: dict[str, Any], pid: int) -> None:
    end = time.time() + asked.warm + asked.seconds
    ages: list[float] = []
    sizes: list[int] = []
    work = [agent(url, identity, pks, end + 2) for identity, pks in said["agents"]]
    running = [spawn("agent", one) for one in work]
    await asyncio.sleep(3)
    running += [spawn("browser", browser(url, said["token"], end, ages, sizes, not number))
                for number in range(asked.browsers)]
    await asyncio.sleep(asked.warm)
    ages.clear()
    sizes.clear()
    cpu, memory = process(pid)
    begun = time.time()
    await asyncio.sleep(asked.seconds - 3)
    spent, after = process(pid)
    print(f"{asked.agents} agents with {asked.instances} instances, {asked.browsers} browsers, {time.time() - begun:.0f} s")
    share = (spent - cpu) / (time.time() - begun)
    print(f"web process: {share:.2f} of a core, {memory:.0f} MiB at the begin, {after:.0f} at the end")
    cuts = statistics.quantiles(ages, n=100)
    print(f"age of states at a browser: median {cuts[49]:.2f} s, 95 % {cuts[94]:.2f} s, most {max(ages):.2f} s")
    per_browser = len(sizes) / asked.browsers / (time.time() - begun)
    print(f"patches: {per_browser:.2f} a second for each browser, {statistics.mean(sizes) / 1024:.0f} KiB each")
    await asyncio.gather(*running, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--instances", type=int, default=10)
    parser.add_argument("--browsers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm", type=float, default=10)
    asked = parser.parse_args()
    with served("--without", "agent", "--without", "celery") as panel:
        said = json.loads(panel.python(_ROWS.format(agents=asked.agents, instances=asked.instances)).strip().splitlines()[-1])
        asyncio.run(measure(asked, f"ws://127.0.0.1:{panel.port}", said, panel.part("web")))


if __name__ == "__main__":
    main()
