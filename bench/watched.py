"""Runs documents as people do: on a panel's own node, under its agent, with browsers that follow.

    bench/reverse_bench.py --system v2ray='v2ray -config {config}' --system alone='python manage.py runproxy {config}' \\
        --system watched='python bench/watched.py {config} --browsers 5'

So the benchmark says what is left on one machine beside a panel for each document (daphne, the embedded Valkey, an agent), which
is more than people have; what all of that uses is in the benchmark's figures of CPU and memory, too. What being watched costs the
data plane itself is seen from the workers' CPU: several documents may be given, and share one panel.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from proxycore.tasks import spawn
from tests.support.panel import served

_ROWS = """
import json
from django.contrib.auth.models import User
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from dashboard.services.publishing import publish
from dashboard.services.tokens import create_token
ada = User.objects.create_superuser("ada", password="correct horse battery")
for number, text in enumerate({texts!r}):
    made, _ = import_new(text, name=f"bench-{{number}}", node=local_node(), by=None)
    publish(made, by=None, accept_warnings=True)
print(create_token(ada, by=None, name="bench", scope="read")[1])
"""


async def _watch(url: str, token: str) -> None:
    """A browser on the overview, that only acknowledges."""
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(url, additional_headers=headers, max_size=None, compression=None) as socket:
        async for text in socket:
            said: dict[str, Any] = json.loads(text)
            if "version" in said:
                await socket.send(json.dumps({"ack": said["version"]}))


async def _follow(url: str, token: str, browsers: int) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    following = [spawn(f"browser {number}", _watch(url, token)) for number in range(browsers)]
    await ended.wait()
    for one in following:
        one.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, nargs="+")
    parser.add_argument("--browsers", type=int, default=5)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with suppress(KeyboardInterrupt), served("--without", "celery") as panel:
        token = panel.python(_ROWS.format(texts=[one.read_text() for one in asked.config])).strip().splitlines()[-1]
        asyncio.run(_follow(f"ws://127.0.0.1:{panel.port}/ws/live/", token, asked.browsers))


if __name__ == "__main__":
    main()
