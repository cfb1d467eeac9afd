"""`make demo`: a web server behind a reverse tunnel, on this machine, to look at in a browser.

Runs three things until Ctrl-C: the web server (in this process), and portal and bridge as two `manage.py runproxy`
processes from the files beside this one. Where a port of those files is taken, another is used in a copy of them;
only the entry, which a person types into a browser, is never changed unasked.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from demo_site import MARK, Ports, serve

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
IN_FILES = Ports(entry=8080, carrier=10240, site=8081)      # what examples/*.json say

READY_S = 20.0          # no answer through the tunnel for so long: something is wrong
POLL_S = 0.02
WATCH_S = 0.2
DRAIN_S = 0.5           # a browser keeps its connections; Ctrl-C should not wait for it
STOP_S = 5.0
LAST_LINES = 15
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """What a person has to know; the demo ends."""


class Part:
    """A `runproxy` process, which ends with this one whatever happens."""

    def __init__(self, name: str, document: Path, logs: Path) -> None:
        self.name = name
        self.document = document
        self.log = logs / f"{name}.log"
        command = [sys.executable, "manage.py", "runproxy", "--drain-s", str(DRAIN_S), str(document)]
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C at the terminal reaches this process alone, which then stops the parts in order.
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=partial(_end_with_parent, os.getpid()),
            )

    def check(self) -> None:
        """Raises: DemoError, the process ended by itself."""
        code = self.process.poll()
        if code is None:
            return
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise DemoError(f"The {self.name} {how}. Its last lines:\n" + "\n".join(f"    {line}" for line in lines or ["(none)"]))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main() -> int:
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    parts: list[Part] = []
    try:
        ports = _choose_ports(arguments.port, arguments.carrier_port)
        logs = ROOT / "var" / "demo"
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        serve(ports)
        start = time.monotonic()
        for name in ("portal", "bridge"):
            parts.append(Part(name, _document(name, ports, logs), logs))
        _wait_for_page(ports, parts)
        ready_s = time.monotonic() - start
        _say_what_runs(ports, parts, ready_s, _trip_ms(ports.entry))
        while True:
            time.sleep(WATCH_S)
            for part in parts:
                part.check()
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n  Stopping.")
        return 0
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)       # stopping is not to be stopped half-way
        for part in reversed(parts):
            part.stop()


def _choose_ports(entry: int, carrier: int | None) -> Ports:
    """Raises: DemoError, a port that was asked for cannot be had."""
    _ask_for(entry, "PORT")
    taken = {entry}
    if carrier is None:
        carrier = IN_FILES.carrier if _is_free(IN_FILES.carrier) and IN_FILES.carrier not in taken else _any_free(taken)
    else:
        _ask_for(carrier, "CARRIER_PORT")
    taken.add(carrier)
    site = IN_FILES.site if _is_free(IN_FILES.site) and IN_FILES.site not in taken else _any_free(taken)
    return Ports(entry, carrier, site)


def _ask_for(port: int, variable: str) -> None:
    """Raises: DemoError with a port that can be had, `port` cannot."""
    try:
        _try(port)
    except OSError as error:
        other = next((port for port in range(max(port, 1024) + 10, 65_536) if _is_free(port)), None) or _any_free(set())
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise DemoError(f"Port {port} on 127.0.0.1 {why}. Choose another: make demo {variable}={other}") from error


def _is_free(port: int) -> bool:
    try:
        _try(port)
    except OSError:
        return False
    return True


def _any_free(taken: set[int]) -> int:
    while (port := _try(0)) in taken:
        pass
    return port


def _try(port: int) -> int:
    """Listen on `port` for a moment (0: any); the port. Raises: OSError."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", port))
        one.listen()
        return int(one.getsockname()[1])


def _document(name: str, ports: Ports, folder: Path) -> Path:
    """The example itself, or a copy with other ports."""
    original = HERE / f"{name}.json"
    text = with_ports(original.read_text(encoding="utf-8"), ports)
    if text == original.read_text(encoding="utf-8"):
        return original.relative_to(ROOT)
    copy = folder / f"{name}.json"
    copy.write_text(text, encoding="utf-8")
    return copy.relative_to(ROOT)


def with_ports(text: str, ports: Ports) -> str:
    """The text of an example with other ports. Each number stands for one thing only in those files."""
    marked = text
    for name in ("entry", "carrier", "site"):       # in two steps: a chosen port may be another's number
        marked = marked.replace(str(getattr(IN_FILES, name)), f"<{name}>")
    for name in ("entry", "carrier", "site"):
        marked = marked.replace(f"<{name}>", str(getattr(ports, name)))
    return marked


def _wait_for_page(ports: Ports, parts: list[Part]) -> None:
    """Ask for the page through the tunnel until it comes. Raises: DemoError."""
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        for part in parts:
            part.check()
        if _is_answered(ports.entry):
            return
        time.sleep(POLL_S)
    logs = " and ".join(str(part.log.relative_to(ROOT)) for part in parts)
    raise DemoError(f"No answer through the tunnel within {READY_S:.0f} s. The logs say more: {logs}")


def _trip_ms(port: int) -> float:
    """How long one request for the page takes on a tunnel that is up."""
    start = time.monotonic()
    _is_answered(port)
    return (time.monotonic() - start) * 1000


def _is_answered(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    with contextlib.closing(connection), contextlib.suppress(OSError, HTTPException):
        connection.request("GET", "/")
        return connection.getresponse().getheader(MARK) == "yes"
    return False


def _say_what_runs(ports: Ports, parts: list[Part], ready_s: float, trip_ms: float) -> None:
    portal, bridge = parts
    print(f"""
  The tunnel was up {ready_s:.2f} s after the start; the page comes through it in {trip_ms:.0f} ms.

      browser      ->  http://127.0.0.1:{ports.entry}
      portal           manage.py runproxy {portal.document}   (process {portal.process.pid})
        ^ tunnel       VMess, dialled by the bridge to 127.0.0.1:{ports.carrier}
      bridge           manage.py runproxy {bridge.document}   (process {bridge.process.pid})
      web server       127.0.0.1:{ports.site}

  Logs: {portal.log.relative_to(ROOT)}, {bridge.log.relative_to(ROOT)}

  Open http://127.0.0.1:{ports.entry}     Ctrl-C stops all of it.""", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=_port, default=IN_FILES.entry, help="where to open the page (make demo PORT=8090)")
    parser.add_argument("--carrier-port", type=_port, help="between bridge and portal (make demo CARRIER_PORT=10241)")
    return parser.parse_args()


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 1 to 65535 is expected")
    return int(text)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _end_with_parent(parent_pid: int) -> None:
    """In the child: be told to stop when the demo dies without a chance to say so (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent_pid:        # it died before the line above
            os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
