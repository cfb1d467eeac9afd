"""Names that nobody answers for do not hold up others: in namespaces that the test makes, with a name server that is silent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import ROOT

DEAD_NAMES = 12
INSIDE = """
import asyncio, socket, subprocess, sys, time
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
from proxycore.net.resolve import resolve
from proxycore.process import new_event_loop
async def main():
    dead = [asyncio.ensure_future(resolve(f"dead{number}.example.org")) for number in range(int(sys.argv[2]))]
    dead += [asyncio.ensure_future(resolve("dead0.example.org")) for _ in range(100)]
    await asyncio.sleep(0.3)
    begin = time.monotonic()
    await resolve("localhost")
    print("waited", time.monotonic() - begin, "dead", sum(not one.done() for one in dead), flush=True)
    import os
    os._exit(0)
with asyncio.Runner(loop_factory=new_event_loop) as runner:
    runner.run(main())
"""


def test_a_name_that_is_known_does_not_wait_for_those_that_nobody_answers_for(
    require: Callable[[str], str], tmp_path: Path
) -> None:
    unshare = require("unshare")
    require("ip")
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\noptions timeout:3 attempts:1\n")
    inside = [unshare, "-rnm", sys.executable, "-c"]
    probe = f"import subprocess; subprocess.run(['mount', '--bind', {str(conf)!r}, '/etc/resolv.conf'], check=True)"
    if subprocess.run([*inside, probe], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make mount namespaces")
    done = subprocess.run(
        [*inside, INSIDE, str(conf), str(DEAD_NAMES)], capture_output=True, text=True, timeout=40, cwd=ROOT, check=False)
    words = done.stdout.split()
    assert words[:1] == ["waited"], done.stderr
    assert float(words[1]) < 1
    assert int(words[3]) == DEAD_NAMES + 100, "the silent server answered after all"
