"""A Redis server of its own for one command, gone with it.

    python -m tests.support.redis COMMAND...

starts `redis-server` on a Unix socket in a temporary folder, and runs COMMAND with REDIS_URL leading to it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import until
from xrevsite.serving import valkey


class NoRedis(Exception):
    """It is not installed."""


@contextmanager
def running_redis() -> Iterator[str]:
    """REDIS_URL of an empty server. Raises NoRedis."""
    program = shutil.which("redis-server")
    if program is None:
        raise NoRedis("redis-server is not installed")
    with tempfile.TemporaryDirectory(prefix="xrev-redis-") as folder:
        path = Path(folder) / "redis.sock"
        command = [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--loglevel", "warning", "--dir", folder]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until("redis-server answers", lambda: valkey.is_ready(path), 10)
            yield f"unix://{path}?db=0"
        finally:
            server.terminate()
            server.wait(10)


def main(command: list[str]) -> int:
    with running_redis() as url:
        return subprocess.run(command, env={**os.environ, "REDIS_URL": url}, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NoRedis as error:
        sys.exit(str(error))
