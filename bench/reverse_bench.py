#!/usr/bin/env python3
"""Reverse tunnels side by side: client -> portal -> tunnel -> bridge -> web server, all on this machine.

Every system runs the same two documents against the same nginx and iperf3, in turn, `--rounds` times; each figure is
the median, beside the reference's (the first system's). Without --system: V2Ray's core, then ours.

    bench/reverse_bench.py [--system NAME='COMMAND {config}' ...] [--rounds N] [--secs S] [--carrier C] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from rig import (
    ENTRY_IPERF,
    ENTRY_WEB,
    IPERF,
    OURS,
    V2RAY,
    WEB,
    NotReady,
    Tunnel,
    end_in_order_on_signals,
    require_ports,
    require_programs,
    wait_for_port,
    write_certificate,
)

IDLE_CONNECTIONS: Final = 2000
MIXED_HEAD_START_S: Final = 1       # bulk runs this long before the requests beside it, and about as long after
Figures = dict[str, float]

BULK: Final = {"down x1": ["-R"], "up x1": [], "down x8": ["-R", "-P", "8"], "up x8": ["-P", "8"]}


class Load(NamedTuple):
    connections: int
    path: str
    is_closed_each_time: bool = False


LOADS: Final = {
    "keep-alive c32": Load(32, "/small"),
    "16 KiB pages c32": Load(32, "/page"),
    "new connections c32": Load(32, "/small", is_closed_each_time=True),
    "keep-alive c1": Load(1, "/small"),
}


class Requests(NamedTuple):
    per_s: float
    p50_ms: float
    p99_ms: float
    errors: str


@contextmanager
def services(folder: Path) -> Iterator[None]:
    """nginx and iperf3, as what lies behind the bridge."""
    root = folder / "www"
    root.mkdir()
    (root / "small").write_bytes(b"x" * 128)
    (root / "page").write_bytes(b"p" * 16384)
    folder.chmod(0o755)                 # nginx's worker may run as another user
    conf = folder / "nginx.conf"
    conf.write_text(f"""
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err; worker_processes 1;
events {{ worker_connections 20000; }}
http {{
  access_log off; default_type text/plain; keepalive_requests 10000000; keepalive_timeout 300s;
  server {{ listen 127.0.0.1:{WEB} backlog=4096; root {root}; }}
}}
""")
    processes = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in (["nginx", "-c", str(conf), "-p", str(folder)], ["iperf3", "-s", "-B", "127.0.0.1", "-p", str(IPERF)])
    ]
    try:
        if not (wait_for_port(WEB) and wait_for_port(IPERF)):
            sys.exit(f"nginx or iperf3 did not start:\n{(folder / 'nginx.err').read_text()}")
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def measure(name: str, command: str, security: str, secs: int, folder: Path) -> Figures:
    """One round of one system, its carrier VMess. Raises: NotReady."""
    with _running(Tunnel({"portal": command, "bridge": command}, security, folder)) as (tunnel, figures):
        for label in BULK:
            figures |= _bulk_and_its_cost(tunnel, label, secs)
        for label in LOADS:
            figures |= _load_and_its_cost(tunnel, name, label, secs)
        beside_bulk = _requests_beside_bulk(secs)
        figures["keep-alive c32 beside 8 bulk, req/s"] = beside_bulk.per_s
        figures["keep-alive c32 beside 8 bulk, p99 ms"] = beside_bulk.p99_ms
        figures |= _idle(tunnel)
    return figures


def measure_tls(name: str, command: str, secs: int, folder: Path, certificate: Path) -> Figures:
    """One round of one system, its carrier VLESS over TLS: bytes, and requests. Raises: NotReady."""
    with _running(Tunnel({"portal": command, "bridge": command}, "none", folder, certificate)) as (tunnel, figures):
        for label in BULK:
            figures |= _bulk_and_its_cost(tunnel, label, secs)
        figures |= _load_and_its_cost(tunnel, name, "keep-alive c32", secs)
    return figures


@contextmanager
def _running(tunnel: Tunnel) -> Iterator[tuple[Tunnel, Figures]]:
    """The tunnel, up, and its first figures; what it said last is added to an error."""
    figures: Figures = {}
    try:
        figures["first answer, s"] = tunnel.start(_is_answering)
        figures["memory at rest, MiB"] = tunnel.memory_mib()
        yield tunnel, figures
    except NotReady as error:
        raise NotReady(f"{error}\n{tunnel.last_lines()}") from error
    finally:
        tunnel.stop()


def _bulk_and_its_cost(tunnel: Tunnel, label: str, secs: int) -> Figures:
    before = tunnel.cpu_s()
    speed = _bulk(secs, BULK[label])
    figures = {f"bulk {label}, MiB/s": speed}
    if speed:
        figures[f"cpu-s per GiB {label}"] = (tunnel.cpu_s() - before) / (speed * secs / 1024)
    return figures


def _load_and_its_cost(tunnel: Tunnel, name: str, label: str, secs: int) -> Figures:
    before = tunnel.cpu_s()
    result = _requests(secs, LOADS[label])
    if result.errors:
        print(f"  {name}, {label}: {result.errors}", file=sys.stderr)
    return {
        f"{label}, req/s": result.per_s,
        f"{label}, p50 ms": result.p50_ms,
        f"{label}, p99 ms": result.p99_ms,
        f"cpu-ms per 1000 req {label}": (tunnel.cpu_s() - before) * 1e6 / max(1.0, result.per_s * secs),
    }


def _is_answering() -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", ENTRY_WEB), 2) as one:
        one.settimeout(2)
        one.sendall(b"GET /small HTTP/1.0\r\n\r\n")
        return one.recv(12).startswith(b"HTTP/1")
    return False


def _bulk(secs: int, options: list[str]) -> float:
    """MiB/s that arrived; 0.0 if iperf3 failed."""
    done = subprocess.run(
        ["iperf3", "-J", "-c", "127.0.0.1", "-p", str(ENTRY_IPERF), "-t", str(secs), *options],
        capture_output=True, text=True, timeout=secs + 30, check=False,
    )
    try:
        bits_per_s = json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]
    except (KeyError, ValueError):
        return 0.0
    return float(bits_per_s) / 8 / 2**20


def _requests(secs: int, load: Load) -> Requests:
    command = ["wrk", "-t1", f"-c{load.connections}", f"-d{secs}s", "--timeout", "10s", "--latency"]
    if load.is_closed_each_time:
        command += ["-H", "Connection: close"]
    command.append(f"http://127.0.0.1:{ENTRY_WEB}{load.path}")
    text = subprocess.run(command, capture_output=True, text=True, timeout=secs + 30, check=False).stdout
    per_s = re.search(r"Requests/sec:\s+([\d.]+)", text)
    errors = re.search(r"Socket errors: (.*)", text)
    if per_s is None:
        return Requests(0.0, float("nan"), float("nan"), text.strip() or "wrk said nothing")
    return Requests(float(per_s[1]), _percentile_ms(text, 50), _percentile_ms(text, 99), errors[1] if errors else "")


def _percentile_ms(text: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", text)
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[found[2]] if found else float("nan")


def _requests_beside_bulk(secs: int) -> Requests:
    seconds = secs + 2 * MIXED_HEAD_START_S
    with subprocess.Popen(
        ["iperf3", "-c", "127.0.0.1", "-p", str(ENTRY_IPERF), "-t", str(seconds), "-R", "-P", "8"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as bulk:
        time.sleep(MIXED_HEAD_START_S)
        result = _requests(secs, LOADS["keep-alive c32"])
        try:
            bulk.wait(30)
        except subprocess.TimeoutExpired:
            bulk.kill()
    return result


def _idle(tunnel: Tunnel) -> Figures:
    """Memory of connections that were answered once and stay open."""
    before = tunnel.memory_mib()
    connections = []
    answered = 0
    for _ in range(IDLE_CONNECTIONS):
        with suppress(OSError):
            one = socket.create_connection(("127.0.0.1", ENTRY_WEB), 5)
            one.sendall(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
            connections.append(one)
    for one in connections:
        one.settimeout(20)
        with suppress(OSError):
            answered += one.recv(12).startswith(b"HTTP/1.1 200")
    kib = (tunnel.memory_mib() - before) * 1024 / IDLE_CONNECTIONS
    for one in connections:
        one.close()
    return {f"{IDLE_CONNECTIONS} idle: answered": answered, "KiB per idle connection": kib}


def print_table(title: str, names: list[str], runs: dict[str, list[Figures]], rounds: int) -> dict[str, Figures]:
    """One line per figure, with each system's ratio to the first one; the medians."""
    labels = list(dict.fromkeys(label for figures in runs.values() for one in figures for label in one))
    median = {
        name: {label: statistics.median(found) for label in labels if (found := [one[label] for one in figures if label in one])}
        for name, figures in runs.items()
    }
    reference, *others = names
    print(f"\n{f'{title} (median of {rounds})':40}" + "".join(f"{name:>12}" for name in names)
          + "".join(f"{f'{name}/{reference}':>16}" for name in others))
    for label in labels:
        row = f"{label:40}" + "".join(f"{median[name].get(label, float('nan')):12.3f}" for name in names)
        base = median[reference].get(label)
        for name in others:
            row += f"{median[name].get(label, float('nan')) / base if base else float('nan'):16.2f}"
        print(row)
    return median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", action="append", metavar="NAME=COMMAND", help="the first is the reference")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--secs", type=int, default=4, help="of each measurement")
    parser.add_argument("--security", default="aes-128-gcm", help="VMess cipher of the carrier")
    parser.add_argument("--carrier", choices=("both", "vmess", "tls"), default="both", help="which table")
    parser.add_argument("--json", type=Path, help="also write every round's figures here")
    arguments = parser.parse_args()
    systems = dict(one.split("=", 1) for one in arguments.system or (f"v2ray={V2RAY}", f"xrev={OURS}"))

    cores = {"v2ray"} & {command.split()[0] for command in systems.values()}
    end_in_order_on_signals()
    require_programs(["nginx", "iperf3", "wrk", "openssl", *sorted(cores)])
    require_ports()
    secs = arguments.secs
    with tempfile.TemporaryDirectory() as text, services(folder := Path(text)):
        certificate = write_certificate(folder)
        tables: dict[str, Callable[[str, str, Path], Figures]] = {
            "carrier: VMess": lambda name, command, place: measure(name, command, arguments.security, secs, place),
            "carrier: VLESS over TLS": lambda name, command, place: measure_tls(name, command, secs, place, certificate),
        }
        wanted = {"both": list(tables), "vmess": list(tables)[:1], "tls": list(tables)[1:]}[arguments.carrier]
        results = {title: run_rounds(systems, arguments.rounds, folder, tables[title]) for title in wanted}
    medians = {title: print_table(title, list(systems), runs, arguments.rounds) for title, runs in results.items()}
    if arguments.json:
        arguments.json.write_text(json.dumps({"median": medians, "runs": results}, indent=1))


def run_rounds(
    systems: dict[str, str], rounds: int, folder: Path, measured: Callable[[str, str, Path], Figures]
) -> dict[str, list[Figures]]:
    """Each system in turn, `rounds` times; a round that did not come up is said and left out."""
    runs: dict[str, list[Figures]] = {name: [] for name in systems}
    for number in range(rounds):
        for name, command in systems.items():
            begin = time.monotonic()
            try:
                runs[name].append(measured(name, command, folder / name))
            except NotReady as error:
                print(f"  {name}, round {number + 1}: {error}", file=sys.stderr)
            print(f"  round {number + 1} of {rounds}, {name}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
            time.sleep(1)
    return runs


if __name__ == "__main__":
    main()
