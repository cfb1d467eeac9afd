"""The live state of all nodes, in one process, while somebody looks.

Begun by the first one, ended some seconds after the last. What changed is gathered for a moment and told, twice a second at most,
each view's bytes made once; who has not said that the last word arrived is told nothing, and when he does, everything as it is
then: there is no queue.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from dashboard.live import rights
from dashboard.live.history import History
from dashboard.live.lookers import Browser, MessageTooOld, last_events, listed_nodes
from dashboard.live.rights import Looker, View
from dashboard.live.tasks import spawn
from dashboard.live.telling import HUBS, NODES
from dashboard.live.views import Tree, encode, seen_events, seen_history, seen_nodes, visible_nodes
from dashboard.live.watching import Watching
from proxycore.messages.beat import BEAT_S, Gathering
from proxycore.messages.patch import difference, merge

LOOK_EVERY_S: Final = 5.0           # the nodes are told that somebody looks
LIST_EVERY_S: Final = 10.0          # which nodes there are is read
CHECK_EVERY_S: Final = 3.0          # whether they still may
LINGER_S: Final = 10.0              # after the last one: a page that is left for another one needs no new start
MAX_BROWSERS: Final = 500
MAX_OF_ONE: Final = 60              # of one person or token
KEPT_EVENTS: Final = 50
FIRST_WAIT_S: Final = 0.7           # for the nodes that are connected, before the first page is told

logger = logging.getLogger(__name__)


class Full(Exception):
    """So many look already."""


class _Source:
    """The consumer whose word counts for a node."""

    __slots__ = ("channel", "seq")

    def __init__(self, channel: str, seq: int) -> None:
        self.channel = channel
        self.seq = seq


class Hub:
    def __init__(self) -> None:
        self.browsers: set[Browser] = set()
        self.version = 1
        self._is_list_due = False
        self._ask_all: Callable[[str], Awaitable[None]] = _ask_nobody
        self._nodes: Tree = {}
        self._told: Tree = {}
        self._sources: dict[str, _Source] = {}
        self._histories: dict[str, History] = {}
        self._events: deque[Tree] = deque(maxlen=KEPT_EVENTS)
        self._fulls: dict[View, str] = {}
        self._visible: dict[View, frozenset[str]] = {}
        self._running: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._changes = Gathering()
        self._woken = asyncio.Event()       # the first change since the last time
        self._watching: Watching | None = None

    async def join(self, browser: Browser) -> None:
        """From now on it is told; at first everything. Raises Full."""
        same = sum(one.looker.user == browser.looker.user and one.looker.token == browser.looker.token for one in self.browsers)
        if len(self.browsers) >= MAX_BROWSERS or same >= MAX_OF_ONE:
            raise Full
        self.browsers.add(browser)
        if self._running is None:
            self._ready.clear()
            self._running = spawn("hub", self._run())
        await self._ready.wait()
        if browser in self.browsers:
            await self._send_full(browser)
            if events := seen_events(self._events, browser.looker.view):
                await browser.send(encode({"type": "events", "events": events}))

    def leave(self, browser: Browser) -> None:
        self.browsers.discard(browser)
        if self._watching is not None:
            self._watching.stop(browser)

    async def acknowledged(self, browser: Browser, version: int) -> None:
        """It has this version. Raises MessageTooOld: it never was told."""
        if version > browser.awaited:
            raise MessageTooOld
        if version == browser.awaited and browser.is_waiting:
            browser.is_waiting = False
            if browser.is_behind and self._ready.is_set():
                await self._send_full(browser)

    async def watch(self, browser: Browser, what: Any) -> None:
        if self._watching is not None:
            await self._watching.start(browser, what)

    def is_watched_by(self, count: int) -> bool:
        """Whether so many browsers have sessions or a log on their screens."""
        return self._watching is not None and self._watching.count == count

    # the two loops

    async def _run(self) -> None:
        layer: Any = get_channel_layer()
        channel = await layer.new_channel("hub")
        hearing: asyncio.Task[None] | None = None
        telling: asyncio.Task[None] | None = None
        try:
            await layer.group_add(HUBS, channel)
            self._watching = Watching(layer, channel, self._node_of)
            expected = await self._begin()
            await layer.group_send(NODES, {"type": "node.look", "hub": channel, "is_full": True})
            hearing = spawn("hub hears", self._hear(layer, channel))
            await self._await_nodes(expected)
            merge(self._told, self._nodes)
            self.version += 1
            self._ready.set()
            telling = spawn("hub tells", self._tell_on())
            await self._turn_on(layer, channel, telling)
        finally:
            self._ready.set()
            self._forget()
            tasks = [task for task in (hearing, telling) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await layer.group_discard(HUBS, channel)
            for browser in tuple(self.browsers):         # only if this failed
                await browser.end(1011, "the panel has a fault")

    async def _begin(self) -> set[str]:
        """The nodes that are connected, by what the database says."""
        events = await database_sync_to_async(last_events)(KEPT_EVENTS)
        self._events.extend(events)
        return await self._list_nodes()

    async def _await_nodes(self, expected: set[str]) -> None:
        """Charts begin full: the first page comes with what the nodes' connections remember."""
        end = time.monotonic() + FIRST_WAIT_S
        while not expected <= self._sources.keys() and time.monotonic() < end:
            await asyncio.sleep(0.02)

    def _forget(self) -> None:
        self._running, self._watching = None, None
        self._nodes, self._told, self._sources, self._histories = {}, {}, {}, {}
        self._fulls, self._visible = {}, {}
        self._events.clear()

    async def _hear(self, layer: Any, channel: str) -> None:
        handlers: dict[str, Callable[[Tree], Awaitable[None]]] = {
            "hub.arrived": self._arrived, "hub.full": self._full, "hub.state": self._state, "hub.gone": self._gone,
            "hub.events": self._happened, "hub.log": self._logged, "ask.taken": self._nothing, "ask.answer": self._answered,
        }
        self._ask_all = lambda source: layer.send(source, {"type": "node.look", "hub": channel, "is_full": True})
        while True:
            message = await layer.receive(channel)
            handler = handlers.get(message["type"])
            if handler is not None:
                try:
                    await handler(message)
                except Exception:       # one odd message of one node is no reason that all stand still
                    logger.exception("a message %s was not understood", message["type"])

    async def _tell_on(self) -> None:
        """Waits for no database: pages go on while that is slow."""
        while True:
            now = time.monotonic()
            if self._changes.due is None:
                self._woken.clear()
                await self._woken.wait()
            elif now < self._changes.due:
                await asyncio.sleep(self._changes.due - now)
            else:
                self._changes.telling(now)
                await self._tell_changes()
                self._changes.told(now, time.monotonic())

    async def _turn_on(self, layer: Any, channel: str, telling: asyncio.Task[None]) -> None:
        empty_s = 0.0
        turn = 0
        while empty_s < LINGER_S and not telling.done():
            turn += 1
            await asyncio.sleep(BEAT_S)
            empty_s = 0.0 if self.browsers else empty_s + BEAT_S
            if self.browsers:
                await self._turn(turn, layer, channel)

    async def _turn(self, turn: int, layer: Any, channel: str) -> None:
        """Once a second."""
        if turn % LOOK_EVERY_S == 0:
            await layer.group_send(NODES, {"type": "node.look", "hub": channel})
        if turn % LIST_EVERY_S == 0 or self._is_list_due:
            await self._list_nodes()
        if turn % CHECK_EVERY_S == 0:
            await self._check()
        if self._watching is not None:
            await self._watching.tick(time.monotonic())

    def _changed(self) -> None:
        if self._changes.changed(time.monotonic()):
            self._woken.set()

    # what is heard

    async def _arrived(self, message: Tree) -> None:
        """Pages that are open need not wait for the next time that the nodes are told of them."""
        if str(message["node"]) not in self._nodes:
            await self._list_nodes()
        await self._ask_all(message["channel"])

    async def _full(self, message: Tree) -> None:
        node = str(message["node"])
        if node not in self._nodes:
            self._is_list_due = True
            return
        self._sources[node] = _Source(message["channel"], message["seq"])
        history = self._histories[node] = History()
        history.load(message["history"], message["at"])
        kept = {key: value for key, value in self._nodes[node].items() if key in ("name", "standing")}
        self._nodes[node] = {**message["state"], **kept, "seen": int(message["at"]), "connected": True}
        self._changed()

    async def _state(self, message: Tree) -> None:
        node = str(message["node"])
        source = self._sources.get(node)
        if source is None or source.channel != message["channel"] or message["seq"] > source.seq + 1:
            if node not in self._nodes:
                self._is_list_due = True
                return
            self._sources[node] = _Source(message["channel"], message["seq"])       # something was missed
            await self._ask_all(message["channel"])
            return
        if message["seq"] <= source.seq:
            return
        source.seq = message["seq"]
        tree = self._nodes[node]
        if message["is_full"]:
            for key in ("host", "workers"):
                tree.pop(key, None)
        merge(tree, message["patch"])
        tree["seen"], tree["connected"] = int(message["at"]), True
        if message["patch"]:
            self._histories.setdefault(node, History()).feed(message["at"], tree.get("workers", {}))
        self._changed()

    async def _gone(self, message: Tree) -> None:
        node = str(message["node"])
        source = self._sources.get(node)
        if source is not None and source.channel == message["channel"]:
            del self._sources[node]
            if node in self._nodes:
                self._nodes[node]["connected"] = False
                self._changed()

    async def _happened(self, message: Tree) -> None:
        self._events.extend(message["events"])
        for view in {one.looker.view for one in self.browsers}:
            if events := seen_events(message["events"], view):
                await self._send_all(encode({"type": "events", "events": events}), view)

    async def _logged(self, message: Tree) -> None:
        if self._watching is not None:
            await self._watching.logged(message)

    async def _answered(self, message: Tree) -> None:
        if self._watching is not None:
            await self._watching.answered(message)

    async def _nothing(self, message: Tree) -> None:
        """It was taken: the answer comes."""

    # what is told

    async def _tell_changes(self) -> None:
        now = time.time()
        patch = difference(self._told, self._nodes)
        if not patch:
            return
        merge(self._told, patch)
        self.version += 1
        self._fulls.clear()
        texts: dict[View, str] = {}
        for browser in tuple(self.browsers):
            if browser.is_waiting or browser.awaited == 0:
                browser.is_behind = True
                continue
            view = browser.looker.view
            if view not in texts:
                texts[view] = self._patch_for(view, patch, now)
            if not texts[view]:         # other nodes are visible to it than before
                await self._send_full(browser)
            else:
                await browser.tell(self.version, texts[view])
        self._visible = {view: visible_nodes(self._told, view) for view in texts}

    def _patch_for(self, view: View, patch: Tree, now: float) -> str:
        visible = visible_nodes(self._told, view)
        if view.instances is not None and self._visible.get(view, visible) != visible:
            return ""
        return encode({"type": "patch", "version": self.version, "at": round(now, 1),
                       "patch": {"nodes": seen_nodes(patch, view, visible)}})

    async def _send_full(self, browser: Browser) -> None:
        view = browser.looker.view
        text = self._fulls.get(view)
        if text is None:
            history: Tree = {}
            for one in self._histories.values():
                history |= one.as_json()
            text = self._fulls[view] = encode({
                "type": "full", "version": self.version, "at": round(time.time(), 1),
                "nodes": seen_nodes(self._told, view, visible_nodes(self._told, view)), "history": seen_history(history, view)})
        browser.is_behind = False
        await browser.tell(self.version, text)

    async def _send_all(self, text: str, view: View) -> None:
        for browser in tuple(self.browsers):
            if browser.looker.view == view and not browser.is_slow:
                await browser.send(text)

    # who looks, and what there is

    async def _check(self) -> None:
        browsers = tuple(self.browsers)
        still = await database_sync_to_async(rights.check)({one.looker for one in browsers})
        for browser in browsers:
            now: Looker | None = still.get(browser.looker)
            if now is None:
                self.leave(browser)
                await browser.end(4401, "you are not logged in any more, or may not see this")
            elif now != browser.looker:
                browser.looker = now
                browser.is_behind = True
                if not browser.is_waiting:
                    await self._send_full(browser)

    async def _list_nodes(self) -> set[str]:
        """Read which nodes there are; those that should be connected."""
        self._is_list_due = False
        listed = await database_sync_to_async(listed_nodes)()
        for node in [one for one in self._nodes if one not in listed]:
            del self._nodes[node]
            self._sources.pop(node, None)
            self._histories.pop(node, None)
        for node, row in listed.items():
            tree = self._nodes.setdefault(node, {"seen": row.seen, "connected": False})
            tree["name"], tree["standing"] = row.name, row.standing
        self._changed()
        return {node for node, row in listed.items() if row.is_up}

    def _node_of(self, instance: int) -> int | None:
        """The node that runs it, as far as is known."""
        key = str(instance)
        return next((int(node) for node, tree in self._nodes.items() if key in tree.get("workers", {})), None)


async def _ask_nobody(channel: str) -> None:
    """Before anything is heard."""


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """This process's: of the loop that is running, which in daphne is the only one."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        for old in [one for one in _hubs if one.is_closed()]:
            del _hubs[old]
        _hubs[loop] = Hub()
    return _hubs[loop]
