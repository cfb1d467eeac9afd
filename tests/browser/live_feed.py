"""A panel's live messages, made by hand: what pages are shown when no agent runs, and states that are hard to come by.

They have the form of the hub's, field by field; tests with real agents and workers are in test_live.py.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Frame, Page, WebSocketRoute

from proxycore.messages.patch import difference, merge

SOURCES = ("203.0.113.9", "198.51.100.23", "192.0.2.77", "2001:db8::42")
COUNTRIES = ("DE", "US", "", "FR")
PATIENCE_S = 20.0


class Feed:
    """Answers a page's `/ws/live/`. `tree` is changed by who tests; `tick()` sends what is different in it.

    What is said goes to the page that is shown, and waits until that one has connected.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.tree: dict[str, Any] = {}
        self.history: dict[str, Any] = {}
        self.version = 0
        self.sockets: list[WebSocketRoute] = []
        self.heard: list[dict[str, Any]] = []
        self.watched: Any = None
        self._is_connected = False
        self._told = 0
        self._sent: dict[str, Any] = {}
        self._random = random.Random(7)
        page.on("framenavigated", self._left)
        page.route_web_socket(lambda address: address.endswith("/ws/live/"), self._connected)

    def _left(self, frame: Frame) -> None:
        if frame == self.page.main_frame:
            self._is_connected, self.watched = False, None

    def _connected(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        self._is_connected = True
        socket.on_message(self._take)
        self._full()

    def _take(self, text: str | bytes) -> None:
        message = json.loads(text)
        self.heard.append(message)
        if "watch" in message:
            self.watched = message["watch"]

    def send(self, message: dict[str, Any]) -> None:
        self._until("the page connects", lambda: self._is_connected)
        self._say(message)

    def _say(self, message: dict[str, Any]) -> None:
        self.sockets[-1].send(json.dumps(message))

    def _full(self) -> None:
        self.version += 1
        self._see()
        self._sent, self._told = json.loads(json.dumps(self.tree)), self.version
        now = time.time()
        history = {instance: {tag: [[now + at, *figures] for at, *figures in points] for tag, points in lines.items()}
                   for instance, lines in self.history.items()}
        self._say({"type": "full", "version": self.version, "at": now, "nodes": self.tree, "history": history})

    def tick(self, later_s: float = 0) -> None:
        """`later_s`: by the panel's clock."""
        self._until("the page connects", lambda: self._is_connected)
        self.version += 1
        self._see()
        patch = difference(self._sent, self.tree)
        merge(self._sent, json.loads(json.dumps(patch)))
        self._told = self.version
        self._say({"type": "patch", "version": self.version, "at": time.time() + later_s, "patch": {"nodes": patch}})

    def happened(self, kind: str, text: str, **more: Any) -> None:
        self.version += 1
        event = {"id": self.version, "node": 1, "instance": 0, "kind": kind, "at": time.time(), "tag": "", "text": text,
                 "reason": "", "source": "", "count": 1, **more}
        self.send({"type": "events", "events": [event]})

    def await_watching(self, what: Any) -> None:
        """The page has asked to be told of it."""
        self._until(f"it watches {what}", lambda: self.watched == what)

    def await_told(self) -> None:
        """The page shows the last state, and whatever was said before that."""
        self._until(f"it has version {self._told}", lambda: {"ack": self._told} in self.heard)

    def _until(self, what: str, is_so: Callable[[], object]) -> None:
        """Playwright tells what happens in its pages only while it is waited for."""
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < end, f"within {PATIENCE_S:g} s: {what}"
            self.page.wait_for_timeout(20)

    def close(self) -> None:
        self._is_connected = False
        self.sockets[-1].close()

    def run(self, seconds: int, moved: Any = None) -> None:
        """Tick once a second; `moved(tree)` changes it before."""
        for _ in range(seconds):
            self.page.wait_for_timeout(1000)
            if moved is not None:
                moved(self.tree)
            self.tick()

    def _see(self) -> None:
        for node in self.tree.values():
            if node.get("connected"):
                node["seen"] = time.time()

    # --- states
    def node(self, pk: int, **more: Any) -> dict[str, Any]:
        host = {"cpu": 0.12, "memory": 3 * 2**30, "memory_total": 8 * 2**30, "load": 0.4, "since": time.time() - 9000,
                "version": "0.5.0", "clock_skew_s": 0.02}
        node: dict[str, Any] = {"host": host, "workers": {}, "connected": True, "standing": "approved",
                                "seen": time.time(), **more}
        self.tree[str(pk)] = node
        return node

    def worker(self, node: int, instance: int, **more: Any) -> dict[str, Any]:
        worker: dict[str, Any] = {
            "phase": "running", "pid": 4000 + instance, "since": time.time() - 7200, "revision": 1, "restarts": 0, "cpu": 0.03,
            "memory": 41 * 2**20, "descriptors": 64, "lag_ms": 0.4, "inbounds": {}, "outbounds": {}, "portals": {},
            "bridges": {}, "users": {}, "refusals": {}, "sessions": 0, "connections": 0, "blocked": {}, **more}
        self.tree[str(node)]["workers"][str(instance)] = worker
        return worker

    def carrier(self, peer: str = "198.51.100.7:51022", **more: Any) -> dict[str, Any]:
        return {
            "peer": peer, "user": "home@bridge", "dialect": "reverse", "core": "xrev", "extension": 1, "health": "active",
            "rtt_ms": 24.2, "loss": 0.0, "sessions": 3, "opened": 40, "since": time.time() - 3000, "up": 10_000, "down": 90_000,
            **more}

    def portal(self, carriers: int = 2, **more: Any) -> dict[str, Any]:
        return {
            "domain": "home.internal", "carriers": {str(n): self.carrier(f"198.51.100.7:{51022 + n}") for n in range(carriers)},
            "waiting": 0, "sessions": 7, "opened": 400, "failed": 2, "up": 10_000_000, "down": 900_000_000,
            "last_peer": "198.51.100.7:51022", "last_seen": time.time(), **more}

    def line(self, instance: int, tag: str, peak: float = 12e6) -> None:
        """The two minutes before a page connects."""
        points = []
        level = peak / 2
        for second in range(120):
            level = min(peak, max(peak / 20, level + self._random.uniform(-1, 1) * peak / 8))
            points.append([second - 120, level / 14, level, 7])
        self.history.setdefault(str(instance), {})[tag] = points

    def sessions(self, instance: int, tag: str, number: int, kind: str = "portal") -> dict[str, Any]:
        """A `sessions` message; the same ones each time, a little further."""
        rows = []
        now = time.time()
        for index in range(number):
            start = 1_700_000_000 + index
            address = SOURCES[index % 4]
            rows.append({
                "id": f"{index % 3}/{index}/{index}", "carrier": str(index % 3),
                "source": f"{f'[{address}]' if ':' in address else address}:{40000 + index}",
                **({"country": COUNTRIES[index % 4]} if COUNTRIES[index % 4] else {}),
                "inbound": "home-nas-entry", "user": "", "target": "192.168.1.10:80/tcp", "sniffed": f"site-{index % 50}.example",
                "phase": ("active", "active", "half_closed", "waiting_for_client", "waiting_for_target")[index % 5],
                "up": int((now - start) * (index % 7)), "down": int((now - start) * (index % 97) * 50), "since": now - index * 3,
            })
        return {"type": "sessions", "instance": instance, "tunnel": tag, "kind": kind, "sessions": rows, "total": number}
