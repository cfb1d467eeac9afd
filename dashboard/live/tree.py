"""The state that one node says, as it is kept on this side: its own instances only, and no more than a bound."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dashboard.live.bounds import TooMuch, measure
from proxycore.messages.patch import merge

MAX_NODE_BYTES: Final = 8 * 1024 * 1024
"""Of one node's state, as `measure` counts: some 20,000 carriers or clients. One that says more is disconnected."""

MAX_GAUGED_TUNNELS: Final = 1000

Tree = dict[str, Any]


class NodeTree:
    """`state` is a NodeState (proxycore/messages/state.py)."""

    __slots__ = ("_own", "_size", "state")

    def __init__(self) -> None:
        self.state: Tree = {}
        self._own: frozenset[str] = frozenset()
        self._size = 0          # at most so much: patches are added, and what they replace is only counted anew at the bound

    def set_own(self, instances: Iterable[int]) -> Tree:
        """Which instances this node has; the patch that takes away what it said of others."""
        self._own = frozenset(str(pk) for pk in instances)
        foreign = [key for key in self.state.get("workers", {}) if key not in self._own]
        patch: Tree = {"workers": dict.fromkeys(foreign)} if foreign else {}
        merge(self.state, patch)
        return patch

    def is_own(self, instance: int) -> bool:
        return str(instance) in self._own

    def apply(self, patch: Tree, *, is_full: bool) -> Tree:
        """Take what the node says; the part of it that counts. Raises TooMuch."""
        host, workers = patch.get("host"), patch.get("workers")
        if not isinstance(host, dict | None) or not isinstance(workers, dict | None):
            raise TooMuch("a state that is no object")
        taken: Tree = {}
        if host:
            taken["host"] = {key: value for key, value in host.items() if key != "clock_skew_s"}
        if workers:
            own = {key: value for key, value in workers.items() if key in self._own}
            if not all(isinstance(value, dict | None) for value in own.values()):
                raise TooMuch("a worker that is no object")
            if own:
                taken["workers"] = own
        grown = measure(taken)
        if is_full:
            skew = self.state.get("host", {}).get("clock_skew_s")
            self.state = {}
            self._size = 0
            if skew is not None:
                taken.setdefault("host", {})["clock_skew_s"] = skew
        merge(self.state, taken)
        self._size += grown
        if self._size > MAX_NODE_BYTES:
            self._size = measure(self.state)
            if self._size > MAX_NODE_BYTES:
                raise TooMuch(f"a state of more than {MAX_NODE_BYTES >> 20} MiB")
        return taken

    def set_skew(self, seconds: float) -> Tree:
        """What the panel finds out about its clock; the patch."""
        patch: Tree = {"host": {"clock_skew_s": seconds}}
        merge(self.state, patch)
        return patch

    def totals(self) -> dict[str, int]:
        """What is cut where it stops: workers, tunnels with a carrier, sessions."""
        workers = [worker for worker in self.state.get("workers", {}).values() if worker.get("phase") == "running"]
        tunnels = [one for worker in workers for one in tunnels_of(worker).values()]
        return {
            "workers": len(workers), "tunnels": sum(bool(one.get("carriers")) for one in tunnels),
            "sessions": sum(number(worker.get("sessions")) for worker in workers),
        }

    def gauges(self) -> Tree:
        """What a monitor is told of each instance: whether its worker runs, sessions, and per tunnel the carriers that
        new sessions may go by, and sessions.

        Of more than MAX_GAUGED_TUNNELS the rest is left out.
        """
        found: Tree = {}
        room = MAX_GAUGED_TUNNELS
        for instance, worker in self.state.get("workers", {}).items():
            tunnels = [
                [kind, tag, len(_serving(one)), number(one.get("sessions"))]
                for kind in ("portal", "bridge") for tag, one in _part(worker, f"{kind}s").items()][:room]
            room -= len(tunnels)
            found[instance] = {
                "is_running": worker.get("phase") == "running", "sessions": number(worker.get("sessions")), "tunnels": tunnels}
        return found


def _serving(tunnel: Tree) -> list[Tree]:
    return [carrier for carrier in _part(tunnel, "carriers").values() if not carrier.get("leaving")]


def tunnels_of(worker: Tree) -> dict[str, Tree]:
    """Portals and bridges of a WorkerState by their tags."""
    return _part(worker, "bridges") | _part(worker, "portals")


def _part(worker: Tree, name: str) -> dict[str, Tree]:
    listed = worker.get(name)
    return {key: one for key, one in listed.items() if isinstance(one, dict)} if isinstance(listed, dict) else {}


def number(value: object) -> int:
    """A count that a node says; 0 where it says something else."""
    return int(value) if isinstance(value, int | float) else 0
