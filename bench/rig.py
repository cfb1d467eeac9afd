"""What the benchmark and the fault run share: the two documents, the services behind the bridge, processes, and
what processes cost."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
OURS: Final = f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'manage.py'))} runproxy {{config}}"
V2RAY: Final = "v2ray -config {config}"

CREDENTIAL: Final = "5783a3e7-e373-51cd-8642-c83782b807c5"
DOMAIN: Final = "reverse-proxy.xray.internal"

WEB: Final = 18080              # the services behind the bridge
IPERF: Final = 15201
ENTRY_WEB: Final = 28080        # their entries at the portal
ENTRY_IPERF: Final = 25201
CARRIER: Final = 21024          # where the bridge joins

PORT_WAIT_S: Final = 30
STOP_WAIT_S: Final = 10
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")

PACKAGES: Final = {name: name for name in ("v2ray", "nginx", "iperf3", "wrk", "openssl")}      # program: Debian package


class NotReady(Exception):
    """A system did not come up."""


def end_in_order_on_signals() -> None:
    """A SIGTERM or a closed terminal ends the run as Ctrl-C does: what it started is stopped first."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))


def require_programs(names: Iterable[str]) -> None:
    """End with one sentence if a program is missing."""
    # Debian keeps nginx where only root's PATH looks.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        packages = " ".join(PACKAGES.get(name, name) for name in missing)
        sys.exit(f"Not on PATH: {', '.join(missing)}. Debian and Ubuntu have them: sudo apt-get install {packages}")


def require_ports() -> None:
    """End with one sentence if a port that the rig uses is taken."""
    for port in (WEB, IPERF, ENTRY_WEB, ENTRY_IPERF, CARRIER):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError as error:
                sys.exit(f"Port {port} on 127.0.0.1 is needed: {error.strerror}")


def documents(security: str, tls: Path | None = None) -> dict[str, dict[str, Any]]:
    """The portal's and the bridge's document, both in the form that Xray and V2Ray read too.

    The carrier is VMess with the cipher `security`; with `tls`, the path of a certificate and key in one PEM file, it is
    VLESS, which encrypts nothing, over TLS.
    """
    def entry(tag: str, port: int, target: int) -> dict[str, Any]:
        return {"tag": tag, "listen": "127.0.0.1", "port": port, "protocol": "dokodemo-door",
                "settings": {"address": "127.0.0.1", "port": target, "network": "tcp"}}

    user: dict[str, Any] = {"id": CREDENTIAL, "encryption": "none"} if tls else {
        "id": CREDENTIAL, "alterId": 0, "security": security}
    accepting: dict[str, Any] = {"protocol": "vmess", "settings": {"clients": [{"id": CREDENTIAL, "alterId": 0}]}}
    joining: dict[str, Any] = {"protocol": "vmess"}
    if tls is not None:
        pair = {"certificateFile": str(tls), "keyFile": str(tls)}
        accepting = {
            "protocol": "vless", "settings": {"clients": [{"id": CREDENTIAL}], "decryption": "none"},
            "streamSettings": {"network": "tcp", "security": "tls", "tlsSettings": {"certificates": [pair]}}}
        joining = {"protocol": "vless", "streamSettings": {"network": "tcp", "security": "tls", "tlsSettings": {
            "allowInsecure": True, "serverName": "bench.example"}}}
    portal = {
        "log": {"loglevel": "error"},
        "reverse": {"portals": [{"tag": "portal", "domain": DOMAIN}]},
        "inbounds": [
            entry("web", ENTRY_WEB, WEB),
            entry("iperf", ENTRY_IPERF, IPERF),
            {"tag": "interconn", "listen": "127.0.0.1", "port": CARRIER, **accepting},
        ],
        "outbounds": [{"tag": "direct", "protocol": "freedom"}],
        "routing": {"rules": [{"type": "field", "inboundTag": ["web", "iperf", "interconn"], "outboundTag": "portal"}]},
    }
    bridge = {
        "log": {"loglevel": "error"},
        "reverse": {"bridges": [{"tag": "bridge", "domain": DOMAIN}]},
        "outbounds": [
            {"tag": "out", "protocol": "freedom"},
            {"tag": "interconn", **joining, "settings": {"vnext": [{"address": "127.0.0.1", "port": CARRIER, "users": [user]}]}},
        ],
        "routing": {"rules": [
            {"type": "field", "inboundTag": ["bridge"], "domain": [f"full:{DOMAIN}"], "outboundTag": "interconn"},
            {"type": "field", "inboundTag": ["bridge"], "outboundTag": "out"},
        ]},
    }
    return {"portal": portal, "bridge": bridge}


def write_certificate(folder: Path) -> Path:
    """A certificate of nobody, and its key, in one PEM file."""
    path, key = folder / "tls.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench.example"
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(path)], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


class Tunnel:
    """A portal and a bridge, each a process of its own; `commands` have {config} where the document's path goes."""

    def __init__(self, commands: dict[str, str], security: str, folder: Path, tls: Path | None = None) -> None:
        self._commands = commands
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(exist_ok=True)
        for part, document in documents(security, tls).items():
            (folder / f"{part}.json").write_text(json.dumps(document))

    def start(self, is_answering: Callable[[], bool]) -> float:
        """Start both; how long the first answer took after the bridge's start, seconds. Raises: NotReady."""
        self.start_part("portal")
        if not wait_for_port(CARRIER):
            raise NotReady("the portal never listened")
        begin = time.monotonic()
        self.start_part("bridge")
        if until(is_answering, 40) is None:
            raise NotReady("no answer through the tunnel")
        return time.monotonic() - begin

    def start_part(self, part: str) -> None:
        command = shlex.split(self._commands[part].replace("{config}", shlex.quote(str(self._folder / f"{part}.json"))))
        with (self._folder / f"{part}.log").open("ab") as log:
            self._processes[part] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def kill_part(self, part: str) -> None:
        process = self._processes.pop(part)
        _signal_group(process, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in self._processes.values():
            _signal_group(process, signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.wait()
        self._processes.clear()

    def pids(self) -> list[int]:
        """The processes and all their descendants."""
        return [pid for process in self._processes.values() for pid in _with_descendants(process.pid)]

    def last_lines(self, count: int = 12) -> str:
        """The end of both logs."""
        return "\n".join(
            line for log in sorted(self._folder.glob("*.log")) for line in log.read_text(errors="replace").splitlines()[-count:]
        )

    def cpu_s(self) -> float:
        """CPU time used so far, seconds, of user and system."""
        ticks = 0
        for pid in self.pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_PER_S

    def memory_mib(self) -> float:
        """Proportional set size: pages that are shared count once."""
        kib = 0
        for pid in self.pids():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return kib / 1024


def wait_for_port(port: int) -> bool:
    def is_listening() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    return until(is_listening, PORT_WAIT_S) is not None


def until(is_so: Callable[[], bool], limit_s: float) -> float | None:
    """How long it took until `is_so`, seconds; None if it never was."""
    begin = time.monotonic()
    while time.monotonic() - begin < limit_s:
        if is_so():
            return time.monotonic() - begin
        time.sleep(0.05)
    return None


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _with_descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(descendant for child in children for descendant in _with_descendants(int(child)))]
