"""Unix sockets and the PROXY protocol with programs that others wrote: curl before us, nginx behind us."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.nginx import nginx
from tests.support import documents
from tests.support.certificates import pair
from tests.support.processes import LOCALHOST, XREV, Process, Processes, free_port, until
from tests.support.target import Target

FREEDOM = {"tag": "out", "protocol": "freedom"}


def curl(program: str, *arguments: str) -> str:
    command = [program, "-sS", "--max-time", "10", "--noproxy", "*", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def curl_program(require: Callable[[str], str]) -> str:
    return require("curl")


def started(processes: Processes, inbound: documents.Json) -> Process:
    process = processes.run_document("server", XREV, documents.proxy([inbound], [FREEDOM]))
    until("it listens", lambda: "listening on" in process.log or process.exit_code is not None, 20)
    return process


def door(listen: str, port: int) -> documents.Json:
    return {"tag": "web", "listen": listen, "protocol": "dokodemo-door", "settings": {"address": LOCALHOST, "port": port}}


def test_curl_comes_by_a_unix_socket_that_goes_away_with_us(
    processes: Processes, require: Callable[[str], str], curl_program: str, tmp_path: Path
) -> None:
    port, file = free_port(), tmp_path / "in.sock"
    nginx(processes, require("nginx"), [(f"{LOCALHOST}:{port}", "hello")])
    process = started(processes, door(f"{file},0600", port))
    until("nginx answers", lambda: "hello" in curl(curl_program, "--unix-socket", str(file), "http://a/x"), 20)
    assert curl(curl_program, "--unix-socket", str(file), "http://a/path") == "hello  /path"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    process.end()
    assert not file.exists()
    assert not (tmp_path / "in.sock.lock").exists()


@pytest.mark.parametrize("name", ["@xrev-e2e-{}", "@@xrev-e2e-{}"])
def test_an_abstract_socket_serves_a_proxys_clients(
    processes: Processes, target: Target, curl_program: str, name: str, require: Callable[[str], str]
) -> None:
    port, written = free_port(), name.format(os.getpid())
    nginx(processes, require("nginx"), [(f"{LOCALHOST}:{port}", "hello")])
    inbound = {"tag": "proxy", "listen": written, "protocol": "http"}
    process = processes.run_document("server", XREV, documents.proxy([inbound], [FREEDOM]))
    until("it listens", lambda: "listening on @" in process.log, 20)
    if name.startswith("@@"):               # curl knows no padded names
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(b"\0" + written[2:].encode().ljust(107, b"\0"))
            sock.sendall(f"GET http://{LOCALHOST}:{port}/a HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK")
        return
    url = f"http://{LOCALHOST}:{port}/a"
    assert curl(curl_program, "--abstract-unix-socket", written[1:], "--request-target", url, url) == "hello  /a"


def test_a_second_program_is_told_that_the_socket_is_taken_and_one_left_over_is_replaced(
    processes: Processes, target: Target, tmp_path: Path
) -> None:
    file = tmp_path / "in.sock"
    first = started(processes, door(str(file), target.port))
    second = processes.run_document("second", XREV, documents.proxy([door(str(file), target.port)], [FREEDOM]))
    assert second.wait(30) != 0
    assert f"inbounds[0].listen: {file} is already taken by another program" in second.log
    first.kill()
    assert file.exists()
    third = processes.run_document("third", XREV, documents.proxy([door(str(file), target.port)], [FREEDOM]))
    until("it listens", lambda: "listening on" in third.log, 20)


def test_what_is_no_vless_reaches_nginx_by_name_alpn_and_path_with_its_address(
    processes: Processes, require: Callable[[str], str], curl_program: str, tmp_path: Path
) -> None:
    port, plain, first = free_port(), free_port(), free_port()
    socket_path = tmp_path / "web.sock"
    nginx(processes, require("nginx"), [
        (f"{LOCALHOST}:{plain}", "plain"), (f"{LOCALHOST}:{first} proxy_protocol", "first"),
        (f"unix:{socket_path} proxy_protocol", "unix")])
    inbound = {
        "tag": "in", "listen": LOCALHOST, "port": port, "protocol": "vless",
        "settings": {"decryption": "none", "clients": [{"id": documents.UUID}], "fallbacks": [
            {"dest": plain}, {"path": "/first", "dest": f"{LOCALHOST}:{first}", "xver": 1},
            {"path": "/unix", "dest": str(socket_path), "xver": 2},
            {"name": "b.example.org", "alpn": "http/1.1", "dest": str(socket_path), "xver": 1}]},
        "streamSettings": {"security": "tls", "tlsSettings": {
            "certificates": [pair("a.example.org", "b.example.org").entry]}},
    }
    processes.run_document("server", XREV, documents.proxy([inbound], [FREEDOM])).await_port(port)

    def get(path: str, name: str = "a.example.org", *options: str) -> str:
        return curl(curl_program, "-k", "--resolve", f"{name}:{port}:{LOCALHOST}", *options, f"https://{name}:{port}{path}")

    until("nginx answers", lambda: "plain" in get("/", "a.example.org", "--http1.1"), 10)
    assert get("/", "a.example.org", "--http1.1") == "plain  /"
    assert get("/first?a=1", "a.example.org", "--http1.1") == f"first {LOCALHOST} /first?a=1"
    assert get("/unix", "a.example.org", "--http1.1") == f"unix {LOCALHOST} /unix"
    assert get("/elsewhere", "b.example.org", "--http1.1") == f"unix {LOCALHOST} /elsewhere"
    assert get("/first", "b.example.org", "--http1.1") == f"first {LOCALHOST} /first"
