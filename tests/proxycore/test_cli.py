"""The program as a person starts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import free_port
from tests.support.programs import ROOT, RUN, eventually, is_listening, started


def document(port: int, **more: Any) -> str:
    entry = {
        "tag": "in", "listen": "127.0.0.1", "port": port, "protocol": "dokodemo-door",
        "settings": {"address": "127.0.0.1", "port": 9},
    }
    return json.dumps({"inbounds": [entry], "outbounds": [{"protocol": "blackhole"}], **more})


def run(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *arguments], cwd=ROOT, input=given, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def port() -> int:
    return free_port()


def test_check_says_yes_and_runs_nothing(tmp_path: Path, port: int) -> None:
    (tmp_path / "good.json").write_text(document(port))
    done = run("--check", str(tmp_path / "good.json"))
    assert (done.stdout, done.stderr, done.returncode) == ("The document can be run.\n", "", 0)
    assert not is_listening(port)


def test_every_problem_is_a_line_of_its_own_and_the_code_is_that_of_the_cores(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text('{\n  "inbounds": [{"port": 70001, "protocol": "dokodemo"}],\n  "outbounds": [{"protocol": "vmes"}]\n}\n')
    done = run(str(path))
    assert done.returncode == 23
    lines = done.stderr.splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    assert sum(": error: " in line for line in lines) == 3


def test_a_file_that_is_not_there_is_a_problem_of_the_document() -> None:
    done = run("no-such-file.json")
    assert (done.returncode, done.stderr) == (23, "no-such-file.json: error: cannot be read: No such file or directory\n")


def test_a_folder_and_files_of_every_format_make_one_document(tmp_path: Path, port: int) -> None:
    (tmp_path / "10.yaml").write_text(f"inbounds: [{{tag: in, listen: 127.0.0.1, port: {port}, protocol: socks}}]\n")
    (tmp_path / "20-tail.toml").write_text('[[outbounds]]\ntag = "b"\nprotocol = "fredom"\n')
    (tmp_path / "first.conf").write_text('{"outbounds": [{"protocol": "freedom", "tag": "a"}]}')
    done = run("-test", "-c", str(tmp_path / "first.conf"), "-confdir", str(tmp_path))
    assert done.returncode == 23
    assert done.stderr.startswith(f'{tmp_path}/20-tail.toml:3:12: error: outbounds[0].protocol: "fredom" is no protocol')
    (tmp_path / "20-tail.toml").write_text('[[outbounds]]\ntag = "b"\nprotocol = "freedom"\n')
    with started([*RUN, str(tmp_path / "first.conf"), "--confdir", str(tmp_path)]) as process:
        eventually(lambda: is_listening(port))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_without_a_name_the_usual_file_is_read_and_told(tmp_path: Path, port: int) -> None:
    (tmp_path / "config.toml").write_text(f'[[inbounds]]\nlisten = "127.0.0.1"\nport = {port}\nprotocol = "socks"\n')
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "proxycore", "check"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "reading config.toml\n", "The document can be run.\n")
    (tmp_path / "config.toml").unlink()
    done = subprocess.run(command, cwd=tmp_path, env=environ, input="{", capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 23
    assert done.stderr.startswith("reading standard input\n<stdin>:1:2: error: ")


def test_a_dash_is_standard_input(port: int) -> None:
    assert run("--check", "-", given=document(port)).returncode == 0
    done = run("--check", "-", given="{")
    assert done.returncode == 23
    assert done.stderr.startswith("<stdin>:1:2: error: ")


def test_a_taken_port_is_told_where_it_stands_in_the_document(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        path = tmp_path / "taken.json"
        path.write_text(document(port, log={"loglevel": "none", "access": "none"}))
        done = run(str(path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"{path}:1:")
    assert f"error: inbounds[0].port: 127.0.0.1:{port} is already taken by another program" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("key", ["error", "access"])
def test_a_log_that_cannot_be_written_is_told_where_it_stands(tmp_path: Path, port: int, key: str) -> None:
    path = tmp_path / "log.json"
    path.write_text(document(port, log={key: str(tmp_path / "none" / "x.log")}))
    done = run(str(path))
    assert done.returncode == 1
    assert f"error: log.{key}: " in done.stderr
    assert done.stderr.endswith("cannot be written: No such file or directory\n")


@pytest.mark.parametrize("command", [RUN, [sys.executable, "manage.py", "runproxy"]], ids=["proxycore", "manage.py"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_code_0(tmp_path: Path, port: int, command: list[str], number: signal.Signals) -> None:
    path = tmp_path / "good.json"
    path.write_text(document(port, log={"loglevel": "info", "access": "none"}))
    with started([*command, str(path)]) as process:
        eventually(lambda: is_listening(port))
        process.send_signal(number)
        _, log = process.communicate(timeout=10)
    assert process.returncode == 0
    assert f'message="in: listening on 127.0.0.1:{port}/tcp"' in log
    assert 'message="stopping: connections may go on for 5 s"' in log
    assert log.endswith("message=stopped\n")


def open_connection(port: int, target: socket.socket) -> tuple[socket.socket, socket.socket]:
    """A client that is connected through the program to `target`: both ends."""
    client = socket.create_connection(("127.0.0.1", port), 5)
    far, _ = target.accept()
    far.settimeout(5)
    return client, far


@pytest.fixture
def relay(tmp_path: Path, port: int) -> Any:
    """A document that relays `port` to a listening socket; both."""
    target = socket.create_server(("127.0.0.1", 0))
    target.settimeout(5)
    path = tmp_path / "relay.json"
    text = document(port, outbounds=[{"protocol": "freedom"}], log={"loglevel": "info", "access": str(tmp_path / "access.log")})
    path.write_text(text.replace('"port": 9', f'"port": {target.getsockname()[1]}'))
    yield path, target
    target.close()


def test_after_a_signal_what_runs_goes_on_and_nothing_new_is_accepted(relay: Any, port: int, tmp_path: Path) -> None:
    path, target = relay
    with started([*RUN, "--drain-s", "60", str(path)]) as process:
        eventually(lambda: is_listening(port))
        client, far = open_connection(port, target)
        process.send_signal(signal.SIGTERM)
        eventually(lambda: not is_listening(port))
        far.sendall(b"still here")
        assert client.recv(100) == b"still here"
        client.close()
        far.close()
        process.communicate(timeout=20)     # sooner than the 60 s that it would have waited
    assert process.returncode == 0
    assert f"accepted tcp:127.0.0.1:{target.getsockname()[1]} [in -> ]" in (tmp_path / "access.log").read_text()


def test_the_time_to_drain_is_kept_and_a_second_signal_cuts_it_short(relay: Any, port: int) -> None:
    path, target = relay
    with started([*RUN, "--drain-s", "3600", str(path)]) as process:
        eventually(lambda: is_listening(port))
        client, far = open_connection(port, target)
        process.send_signal(signal.SIGTERM)
        eventually(lambda: not is_listening(port))
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        client.close()
        far.close()
    assert process.returncode == 0


def test_drain_time_must_be_a_time() -> None:
    for text in ("-1", "nan", "inf", "soon"):
        done = run("--drain-s", text, "x.json")
        assert done.returncode == 2
        assert "argument --drain-s" in done.stderr


def test_json_logs_when_asked(tmp_path: Path, port: int) -> None:
    path = tmp_path / "good.json"
    path.write_text(document(port, log={"loglevel": "info", "access": "none"}))
    with started([*RUN, "--log-json", str(path)]) as process:
        eventually(lambda: is_listening(port))
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=10)
    records = [json.loads(line) for line in log.splitlines()]
    assert records[-1]["message"] == "stopped"
    assert {"time", "level", "logger", "message"} <= set(records[0])


def test_the_data_plane_runs_without_django() -> None:
    ask = (
        "import sys; sys.modules['django'] = None; import proxycore.process, proxycore.document.load as l; "
        "[(one.inbound, one.outbound) for one in l.all_protocols().values()]"
    )
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_management_command_is_the_same_code(tmp_path: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    from django.core.management import call_command

    path = tmp_path / "good.json"
    path.write_text(document(port))
    call_command("runproxy", str(path), check=True)
    assert capsys.readouterr().out == "The document can be run.\n"
    path.write_text("{")
    with pytest.raises(SystemExit) as ended:
        call_command("runproxy", str(path), check=True)
    assert ended.value.code == 23
