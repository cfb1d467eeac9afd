"""Socket options that need rights, in a network namespace that this test makes, where every address of 198.51.100.0/24 is
ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import documents
from tests.support.processes import ROOT, XREV

INSIDE = """
import socket, subprocess, sys, threading, time
for command in ("ip link set lo up", "ip route add local 198.51.100.0/24 dev lo"):
    subprocess.run(command.split(), check=True)
targets = [socket.create_server((host, 80), family=family) for host, family in (
    ("198.51.100.7", socket.AF_INET),)]
def answer(server):
    while True:
        sock, _ = server.accept()
        sock.sendall(f"{server.getsockname()[0]} ".encode() + sock.recv(100))
        sock.close()
for one in targets:
    threading.Thread(target=answer, args=(one,), daemon=True).start()
program = subprocess.Popen(sys.argv[1:])
try:
    for host in ("198.51.100.7", "198.51.100.8"):
        for attempt in range(200):
            try:
                sock = socket.create_connection((host, 8080), 5)
                break
            except OSError:
                time.sleep(0.05)
        sock.sendall(b"hello")
        print("answer:", sock.recv(100), flush=True)
        sock.close()
finally:
    program.kill()
    program.wait()
"""


def test_a_transparent_door_serves_who_was_not_redirected_by_its_settings(require: Callable[[str], str], tmp_path: Path) -> None:
    unshare = require("unshare")
    require("ip")
    if subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make network namespaces")
    settings = {"followRedirect": True, "address": "198.51.100.7", "port": 80}
    sockopt = {"mark": 7, "interface": "lo", "tcpUserTimeout": 9000}
    door = {"tag": "in", "port": 8080, "protocol": "dokodemo-door", "settings": settings,
            "streamSettings": {"sockopt": {"tproxy": "tproxy", "mark": 7}}}
    out = {"tag": "out", "protocol": "freedom", "streamSettings": {"sockopt": sockopt}}
    (tmp_path / "a.json").write_text(json.dumps(documents.proxy([door], [out])))
    command = [unshare, "-rn", sys.executable, "-c", INSIDE, *XREV, str(tmp_path / "a.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.stdout.count("answer: b'198.51.100.7 hello'") == 2, done.stdout + done.stderr
