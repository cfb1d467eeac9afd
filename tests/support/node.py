"""An agent as a process, with a state directory of its own, under a test's panel."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.support.agents_panel import TOKEN, Panel
from tests.support.processes import Process, Processes

AGENT = (sys.executable, "-m", "proxycore", "agent")
LIGHT_WORKER = f"{sys.executable} -m tests.support.light_worker"


class Node:
    """`workers` is the command of its workers; "" is our own."""

    def __init__(self, processes: Processes, panel: Panel, name: str = "node", workers: str = LIGHT_WORKER) -> None:
        self.processes = processes
        self.panel = panel
        self.name = name
        self.state_dir = processes.folder / name
        self.token_file = processes.folder / f"{name}.token"
        self.workers = workers
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    def start(self, *more: str, panel: str | None = None, **environ: str) -> Node:
        """Begin; what the panel knows is of this agent from now on."""
        if self._process is not None:
            self.panel.forget()
        self.token_file.write_text(TOKEN + "\n")
        command = [*AGENT, "--state-dir", str(self.state_dir), "--panel", panel or self.panel.url, "--log-level", "debug"]
        if self.workers:
            command += ["--worker-command", self.workers]
        self._process = self.processes.start(
            self.name, [*command, "--token-file", str(self.token_file), *more], {**os.environ, **environ})
        return self

    def await_running(self, instance: int, timeout_s: float = 20.0) -> int:
        """Its worker's process id."""
        return int(self.panel.await_phase(instance, "running", timeout_s)["pid"])

    @property
    def worker_pids(self) -> list[int]:
        return workers_of(self.state_dir)

    def await_worker_other_than(self, instance: int, pid: int) -> int:
        """Process id of the running worker that took its place."""
        state = self.panel.await_worker(instance, f"another worker than {pid}", lambda state: (
            state.get("phase") == "running" and state.get("pid") != pid))
        return int(state["pid"])

    def kill(self) -> None:
        """SIGKILL of the agent; its workers go on."""
        self.process.kill()
        self.panel.forget()

    def end(self) -> None:
        """Nothing that it started is left, whatever a test did."""
        if self._process is not None:
            self._process.end()
        for pid in workers_of(self.state_dir):
            with suppress(ProcessLookupError):      # it may end by itself
                os.kill(pid, signal.SIGKILL)


def command_line(pid: int) -> str:
    """Of a process, "" where there is none (or only what is left of it)."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def workers_of(state_dir: Path) -> list[int]:
    """Process ids of all workers that have their sockets there."""
    wanted = str(state_dir / "run")
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal() and f"--socket {wanted}" in command_line(int(path.name)):
            found.append(int(path.name))
    return found
