"""What needs rights, in network namespaces that these tests make: socket options, REDIRECT and TPROXY.

The second test's program stands between a client and a server, each in a namespace of its own, as on a router.
"""

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


def unshare_or_skip(require: Callable[[str], str]) -> str:
    """The program that makes namespaces, if this user may."""
    unshare = require("unshare")
    require("ip")
    if subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make network namespaces")
    return unshare


def test_a_transparent_door_serves_who_was_not_redirected_by_its_settings(require: Callable[[str], str], tmp_path: Path) -> None:
    unshare = unshare_or_skip(require)
    settings = {"followRedirect": True, "address": "198.51.100.7", "port": 80}
    sockopt = {"mark": 7, "interface": "lo", "tcpUserTimeout": 9000}
    door = {"tag": "in", "port": 8080, "protocol": "dokodemo-door", "settings": settings,
            "streamSettings": {"sockopt": {"tproxy": "tproxy", "mark": 7}}}
    out = {"tag": "out", "protocol": "freedom", "streamSettings": {"sockopt": sockopt}}
    (tmp_path / "a.json").write_text(json.dumps(documents.proxy([door], [out])))
    command = [unshare, "-rn", sys.executable, "-c", INSIDE, *XREV, str(tmp_path / "a.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.stdout.count("answer: b'198.51.100.7 hello'") == 2, done.stdout + done.stderr


ROUTER = r"""
import json, subprocess, sys, time
given = json.loads(sys.argv[1])
def run(command):
    subprocess.run(command.split(), check=True)
def elsewhere(code):
    pipe = subprocess.PIPE
    return subprocess.Popen(["unshare", "-n", sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)
def attach(process, name, v4, host, v6):
    there = f"nsenter -t {process.pid} -n "
    run(f"ip link add {name} type veth peer name {name}1")
    run(f"ip link set {name}1 netns {process.pid}")
    run(f"ip addr add {v4}.1/24 dev {name}")
    run(f"ip -6 addr add {v6}::1/64 dev {name} nodad")
    run(f"ip link set {name} up")
    for command in ("link set lo up", f"addr add {v4}.{host}/24 dev {name}1", f"-6 addr add {v6}::{host}/64 dev {name}1 nodad",
                    f"link set {name}1 up", f"route add default via {v4}.1", f"-6 route add default via {v6}::1"):
        run(there + "ip " + command)
server, client = elsewhere(given["server"]), elsewhere(given["client"])
for process in (server, client):
    process.stdout.readline()
run("ip link set lo up")
attach(server, "s", "198.51.100", 7, "2001:db8:5")
attach(client, "c", "203.0.113", 9, "2001:db8:9")
for family in ("", "-6 "):
    run(f"ip {family}rule add fwmark 1 lookup 100")
    run(f"ip {family}route add local default dev lo table 100")
subprocess.run(["nft", "-f", "-"], input=given["rules"], text=True, check=True)
program = subprocess.Popen(given["program"])
try:
    server.stdin.write("go\n")
    server.stdin.flush()
    server.stdout.readline()
    print(client.communicate("go\n", timeout=40)[0], flush=True)
finally:
    for process in (program, server, client):
        process.kill()
        process.wait()
"""
SERVER = r"""
import socket, threading
print("up", flush=True)
input()
def serve(sock, port):
    while True:
        if sock.type == socket.SOCK_STREAM:
            one, peer = sock.accept()
            one.sendall(f"{one.getsockname()[0]} {port} {peer[0]} ".encode() + one.recv(100))
            one.close()
        else:
            data, peer = sock.recvfrom(1000)
            sock.sendto(f"{port} {peer[0]} ".encode() + data, peer)
for family, host in ((socket.AF_INET, "198.51.100.7"), (socket.AF_INET6, "2001:db8:5::7")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for port in (80, 81):
            sock = socket.socket(family, kind)
            sock.bind((host, port))
            if kind == socket.SOCK_STREAM:
                sock.listen()
            threading.Thread(target=serve, args=(sock, port), daemon=True).start()
print("serving", flush=True)
threading.Event().wait()
"""
CLIENT = r"""
import socket, time
print("up", flush=True)
input()
def ask(host):
    answer = None
    for attempt in range(200):      # until the program listens
        try:
            with socket.create_connection((host, 80), 3) as sock:
                sock.sendall(b"hello")
                answer = sock.recv(100).decode()
            if answer:
                return answer
        except OSError as error:
            answer = error
        time.sleep(0.05)
    return answer
def receive(sock):
    try:
        data, source = sock.recvfrom(100)
        return source[0], source[1], data.decode()
    except OSError as error:
        return (error,)
for host in ("198.51.100.7", "2001:db8:5::7"):
    print("tcp", ask(host))
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        for port in (80, 81, 80):
            sock.sendto(b"ping", (host, port))
            print("udp", *receive(sock))
"""
TPROXY = """
table inet xrev { chain in { type filter hook prerouting priority -150;
    iifname "c" meta nfproto ipv4 meta l4proto { tcp, udp } th dport { 80, 81 } tproxy ip to :8080 meta mark set 1 accept
    iifname "c" meta nfproto ipv6 meta l4proto { tcp, udp } th dport { 80, 81 } tproxy ip6 to :8080 meta mark set 1 accept
}; }
"""
REDIRECT = """
table ip xrev { chain in { type nat hook prerouting priority -100; iifname "c" tcp dport 80 redirect to :8080; }; }
table ip6 xrev { chain in { type nat hook prerouting priority -100; iifname "c" tcp dport 80 redirect to :8080; }; }
"""


def routed(how: str, rules: str, require: Callable[[str], str], tmp_path: Path) -> str:
    """What the client was answered."""
    unshare = unshare_or_skip(require)
    require("nft")
    require("nsenter")
    settings = {"followRedirect": True, "network": "tcp,udp" if how == "tproxy" else "tcp"}
    door = {"tag": "in", "port": 8080, "protocol": "dokodemo-door", "settings": settings,
            "streamSettings": {"sockopt": {"tproxy": how}}}
    (tmp_path / "a.json").write_text(json.dumps(documents.proxy([door], [{"tag": "out", "protocol": "freedom"}])))
    given = {"server": SERVER, "client": CLIENT, "rules": rules, "program": [*XREV, str(tmp_path / "a.json")]}
    command = [unshare, "-rn", sys.executable, "-c", ROUTER, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, cwd=ROOT, check=False)
    if "Could not process rule" in done.stderr or "Operation not supported" in done.stderr:
        pytest.skip(f"this kernel has not what the rules need: {done.stderr[:200]}")
    return done.stdout + done.stderr


def test_connections_and_datagrams_that_tproxy_sends_here_go_where_they_were_going(
    require: Callable[[str], str], tmp_path: Path
) -> None:
    """The server sees the router; the client sees each answer come from the address that it has asked."""
    answers = routed("tproxy", TPROXY, require, tmp_path)
    assert "tcp 198.51.100.7 80 198.51.100.1 hello" in answers
    assert "tcp 2001:db8:5::7 80 2001:db8:5::1 hello" in answers
    for host, router in (("198.51.100.7", "198.51.100.1"), ("2001:db8:5::7", "2001:db8:5::1")):
        assert answers.count(f"udp {host} 80 80 {router} ping") == 2, answers
        assert answers.count(f"udp {host} 81 81 {router} ping") == 1, answers


def test_connections_that_redirect_sends_here_go_where_they_were_going(require: Callable[[str], str], tmp_path: Path) -> None:
    answers = routed("redirect", REDIRECT, require, tmp_path)
    assert "tcp 198.51.100.7 80 198.51.100.1 hello" in answers, answers
    assert "tcp 2001:db8:5::7 80 2001:db8:5::1 hello" in answers, answers
