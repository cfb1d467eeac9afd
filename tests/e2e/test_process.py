"""The program as a process: its two commands, signals, exit codes, and what it says when it cannot start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents
from tests.support.processes import LOCALHOST, ROOT, XREV, Processes, accepts, free_port, until
from tests.support.target import Target, ask, is_served, read_exactly

RUN_S = 20.0
AT_ONCE_S = 1.0
MODULE = (sys.executable, "-m", "proxycore", "run")

each_command = pytest.mark.parametrize("command", [XREV, MODULE], ids=["manage.py runproxy", "python -m proxycore run"])


def run(
    command: Sequence[str], *arguments: str, stdin: str = "", environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [*command, *arguments], input=stdin, capture_output=True, text=True, timeout=RUN_S, cwd=ROOT, env=environ, check=False
    )


def relay(target: Target) -> tuple[int, dict[str, Any]]:
    """A port that leads to the target, and the document that does it."""
    port = free_port()
    return port, documents.proxy([documents.door("in", port, target.port)], [{"tag": "out", "protocol": "freedom"}])


@each_command
def test_sigterm_lets_connections_finish_and_exits_0(processes: Processes, target: Target, command: Sequence[str]) -> None:
    port, document = relay(target)
    process = processes.run_document("relay", [*command, "--drain-s", "15"], document)
    process.await_port(port)
    with ask(port, b"ECHO\nbefore") as sock:
        assert read_exactly(sock, 6) == b"before"
        process.send_signal(signal.SIGTERM)
        until("new connections are refused", lambda: not accepts(port), 5)
        sock.sendall(b"after")
        assert read_exactly(sock, 5) == b"after"
        assert process.exit_code is None
    assert process.wait(3) == 0


def test_the_drain_ends_after_its_time(processes: Processes, target: Target) -> None:
    port, document = relay(target)
    process = processes.run_document("relay", [*XREV, "--drain-s", "0.5"], document)
    process.await_port(port)
    with ask(port, b"ECHO\nx") as sock:
        assert read_exactly(sock, 1) == b"x"
        process.send_signal(signal.SIGTERM)
        assert process.wait(3) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_second_signal_exits_at_once(processes: Processes, target: Target, number: signal.Signals) -> None:
    port, document = relay(target)
    process = processes.run_document("relay", [*XREV, "--drain-s", "60"], document)
    process.await_port(port)
    with ask(port, b"ECHO\nx") as sock:
        assert read_exactly(sock, 1) == b"x"
        process.send_signal(number)
        until("new connections are refused", lambda: not accepts(port), 5)
        begin = time.monotonic()
        process.send_signal(number)
        assert process.wait(5) == 0
        assert time.monotonic() - begin < AT_ONCE_S


def test_an_idle_process_ends_at_once(processes: Processes, target: Target) -> None:
    port, document = relay(target)
    process = processes.run_document("relay", [*XREV, "--drain-s", "60"], document)
    process.await_port(port)
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert time.monotonic() - begin < AT_ONCE_S


@each_command
@pytest.mark.parametrize("network", ["tcp", "udp"])
def test_a_taken_port_is_one_sentence_that_says_where(tmp_path: Path, command: Sequence[str], network: str) -> None:
    kind = socket.SOCK_STREAM if network == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((LOCALHOST, 0))
        if network == "tcp":
            taken.listen()
        port = taken.getsockname()[1]
        free = documents.door("free", free_port(), 80)
        document = documents.proxy([free, documents.door("taken", port, 80, network)], [{"tag": "out", "protocol": "freedom"}])
        path = tmp_path / "taken.json"
        path.write_text(json.dumps(document, indent=2))
        ended = run(command, str(path))
    assert ended.returncode == 1
    assert ended.stdout == ""
    [line] = [line for line in ended.stderr.splitlines() if "level=info" not in line]
    sentence = rf"inbounds\[1\]\.port: {LOCALHOST}:{port} is already taken by another program"
    place = re.fullmatch(rf"{re.escape(str(path))}:(\d+):(\d+): error: {sentence}", line)
    assert place is not None, line
    text = path.read_text().splitlines()[int(place[1]) - 1]
    assert text[int(place[2]) - 1:].startswith(str(port))


WRONG = """{
  "inbounds": [
    { "tag": "a", "port": 70000, "protocol": "dokodemo-door" },
    { "tag": "b", "port": 1081, "protocol": "vmes" }
  ],
  "outbounds": [ { "protocol": "freedom", "settings": { "domainStrategy": "UseIPv5" } } ],
}
"""


@each_command
def test_a_wrong_document_exits_23_with_every_error(tmp_path: Path, command: Sequence[str]) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(WRONG)
    ended = run(command, str(path))
    assert ended.returncode == 23
    assert ended.stdout == ""
    errors = [line for line in ended.stderr.splitlines() if ": error: " in line]
    assert [line.split(": ")[0] for line in errors] == [f"{path}:3:27", f"{path}:4:45", f"{path}:6:75"]
    assert [line.split(": ")[2] for line in errors] == [
        "inbounds[0].port", "inbounds[1].protocol", "outbounds[0].settings.domainStrategy"
    ]


@each_command
def test_check_reads_the_document_and_runs_nothing(target: Target, tmp_path: Path, command: Sequence[str]) -> None:
    port, document = relay(target)
    path = tmp_path / "relay.json"
    path.write_text(json.dumps(document))
    with socket.create_server((LOCALHOST, port)):       # it would not mind that the port is taken
        ended = run(command, "--check", str(path))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "The document can be run.\n", "")
    path.write_text(WRONG)
    assert run(command, "--check", str(path)).returncode == 23


@each_command
def test_a_document_comes_from_standard_input(target: Target, command: Sequence[str]) -> None:
    port, document = relay(target)
    with subprocess.Popen([*command, "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(document).encode())
            process.stdin.close()
            until("it is served", lambda: is_served(port), 15)
        finally:
            process.terminate()
            process.wait(10)
        assert process.returncode == 0
    assert run(command, "-", stdin=WRONG).stderr.startswith("<stdin>:3:27: error: inbounds[0].port: ")


@each_command
def test_a_file_that_is_not_there_is_told(tmp_path: Path, command: Sequence[str]) -> None:
    ended = run(command, str(tmp_path / "absent.json"))
    assert ended.returncode == 23
    assert ended.stderr == f"{tmp_path / 'absent.json'}: error: cannot be read: No such file or directory\n"


NO_DJANGO = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "django":
            raise ModuleNotFoundError(f"{name} is not installed here")

sys.meta_path.insert(0, Refuse())
"""


def test_the_module_runs_without_django(processes: Processes, target: Target, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(NO_DJANGO)
    environ = {**os.environ, "PYTHONPATH": str(site)}
    assert run([sys.executable, "-c", "import django"], environ=environ).returncode == 1

    port, document = relay(target)
    path = tmp_path / "relay.json"
    path.write_text(json.dumps(document))
    process = processes.start("relay", [*MODULE, str(path)], environ)
    process.await_port(port)
    assert is_served(port)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0


def test_the_access_log_names_each_request(processes: Processes, target: Target, tmp_path: Path) -> None:
    port, document = relay(target)
    access = tmp_path / "access.log"
    document["log"]["access"] = str(access)
    process = processes.run_document("relay", XREV, document)
    process.await_port(port)
    assert is_served(port)
    until("the request is in the log", lambda: access.exists() and f"tcp:{LOCALHOST}:{target.port}" in access.read_text(), 5)
    [line, *_] = access.read_text().splitlines()
    assert "[in -> out]" in line
