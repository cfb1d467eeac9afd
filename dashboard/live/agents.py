"""An agent's connection, /agent/v1/ (proxycore/messages/link.py).

Who connects has proven its node's identity before it is let in; everybody else gets the same refusal. States, logs and answers
go past the database; the rest is written by the ledger, in the order in which it was said.

An agent that knows that its node is paused is held: it is sent nothing but pings, and greeted when the node is resumed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from functools import partial
from typing import Any, Final

from autobahn.exception import Disconnected
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import timezone
from pydantic import BaseModel, ValidationError

from dashboard.accounts.client_address import address_behind_proxies
from dashboard.choices import Standing
from dashboard.engine.version import VERSION
from dashboard.live.bounds import Meter, TooMuch
from dashboard.live.history import History
from dashboard.live.ledger import Ledger
from dashboard.live.looked_at import Looked
from dashboard.live.tasks import spawn
from dashboard.live.telling import HUBS, NODES, group_of, held_group_of
from dashboard.live.tree import NodeTree
from dashboard.live.wanting import Wanting
from dashboard.models import Node
from dashboard.services import events, presence, running, traffic
from dashboard.services.joining import find_node
from proxycore.messages.link import (
    PROTOCOL,
    SILENCE_S,
    Answer,
    Applied,
    Ask,
    Close,
    Confirm,
    EventsKept,
    Happened,
    Hello,
    LogLines,
    Ping,
    Reverted,
    State,
    Traffic,
    TrafficKept,
    Welcome,
    from_agent,
)

HELLO_S: Final = 10.0
BEAT_S: Final = 5.0
LOOK_EVERY_S: Final = 30.0
"""What should run is read that often although nobody said that it changed: a word may be lost."""

MESSAGES_PER_S: Final = 50.0
MESSAGES_AT_ONCE: Final = 500.0
BYTES_PER_S: Final = 2.0 * 1024**2
BYTES_AT_ONCE: Final = 48.0 * 1024**2
EVENTS_PER_S: Final = 5.0           # written; a node that says more of them is not believed to need all
EVENTS_AT_ONCE: Final = 1000.0
MAX_ASKED: Final = 64               # questions that wait for this node's answers
ASKED_S: Final = 90.0
SKEW_STEP_S: Final = 0.5            # the clock of a node is told anew when it is off by so much more or less
MAX_LOG_LINES: Final = 500          # of one message
MAX_LOG_CHARS: Final = 2000
GONE_AFTER_S: Final = SILENCE_S     # without a newer connection the node is down

NORMAL: Final = 1000                # no server of ours may send 1001
CLOSE_OF: Final = {
    Standing.WAITING: Close.WAITING, Standing.PAUSED: Close.PAUSED, Standing.REVOKED: Close.REVOKED, Standing.NEW: Close.REVOKED,
}

logger = logging.getLogger(__name__)


class AgentConsumer(AsyncWebsocketConsumer):
    """One connection. `node` is set before it is accepted, `tree` lives as long as it does."""

    node: Node

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without looking after database connections each time: what uses one does so itself."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def connect(self) -> None:
        headers = dict(self.scope["headers"])
        scheme, _, text = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        peer = (self.scope.get("client") or ("",))[0]
        self.address = address_behind_proxies(peer or "", headers.get(b"x-forwarded-for", b"").decode("latin-1"))
        # No browser comes here: one that does was sent by somebody else's page.
        may_ask = scheme.lower() == "bearer" and b"origin" not in headers
        node = await database_sync_to_async(find_node)(text.strip()) if may_ask else None
        if node is None:
            logger.info("an agent from %s is refused: its identity is not known", self.address)
            await self.close()
            return
        self.node = node
        self.tree, self.history, self.looked = NodeTree(), History(), Looked()
        self.ledger = Ledger(f"node {node.pk}")
        self.hello: Hello | None = None         # of one that is greeted
        self.held: Hello | None = None          # of one that waits for that
        self.close_code: int | None = None
        self.is_replaced = False
        now = time.monotonic()
        self.heard_at = self.said_at = now
        self._messages, self._bytes = Meter(MESSAGES_PER_S, MESSAGES_AT_ONCE, now), Meter(BYTES_PER_S, BYTES_AT_ONCE, now)
        self._events = Meter(EVENTS_PER_S, EVENTS_AT_ONCE, now)
        self._asked: dict[str, tuple[str, float]] = {}
        self._runs: dict[str, tuple[Any, Any]] = {}
        self._skew = 0.0
        await self.accept()
        if node.state not in (Standing.APPROVED, Standing.PAUSED):
            await database_sync_to_async(presence.note_refused)(node.pk, self.address)
            await self._end(CLOSE_OF[Standing(node.state)], f"the node is {Standing(node.state).label}")
            return
        self.ledger.start()
        self._beating = spawn(f"beat of node {node.pk}", self._beat())

    async def disconnect(self, code: int) -> None:
        beating = getattr(self, "_beating", None)
        if beating is None:
            return
        beating.cancel()
        await self.ledger.end()
        if self.held is not None:
            await self.channel_layer.group_discard(held_group_of(self.node.pk), self.channel_name)
        if self.hello is None:
            return
        await self.channel_layer.group_discard(group_of(self.node.pk), self.channel_name)
        await self.channel_layer.group_discard(NODES, self.channel_name)
        if self.is_replaced:
            return
        await self.channel_layer.group_send(HUBS, {"type": "hub.gone", "node": self.node.pk, "channel": self.channel_name})
        is_expected = self.close_code in (Close.PAUSED, Close.REVOKED)
        gone = partial(presence.departed, self.node.pk, self.connected_at, is_expected=is_expected)
        if is_expected:
            await database_sync_to_async(gone)()
        else:           # an agent that only lost its connection is back by then
            loop = asyncio.get_running_loop()
            loop.call_later(GONE_AFTER_S, lambda: spawn(f"whether node {self.node.pk} is back", _call(gone)))

    # what the agent says

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.close_code is not None:
            return
        now = time.monotonic()
        self.heard_at = now
        text = text_data or ""
        if not self._messages.take(1, now) or not self._bytes.take(len(text), now):
            await self._end(Close.BROKEN, "more messages than are taken")
            return
        try:
            message = from_agent.validate_json(text)
        except ValidationError as error:
            if error.errors(include_input=False, include_url=False)[0]["type"] != "union_tag_invalid":      # a newer one's
                logger.warning("node %d: a message that is none (%d characters)", self.node.pk, len(text))
                await self._end(Close.BROKEN, "a message that is none")
            return
        if isinstance(message, Hello):
            if self.hello is None and self.held is None:
                await self._greet(message)
        elif self.hello is not None:
            await self._hear(message)

    async def _hear(self, message: BaseModel) -> None:
        match message:
            case State():
                await self._state(message)
            case Ping():
                await self._tell_hubs({})
            case Happened():
                self._write(partial(self._happened, message))
            case Applied():
                self._write(partial(_call, partial(running.note_applied, self.node, message)))
            case Reverted():
                self._write(partial(_call, partial(running.note_reverted, self.node, message)))
            case Traffic():
                self._write(partial(self._traffic, message))
            case Answer():
                await self._answered(message)
            case LogLines():
                await self._logged(message)

    async def _greet(self, hello: Hello) -> None:
        if hello.protocol != PROTOCOL:
            await self._end(Close.VERSION, f"this panel speaks protocol {PROTOCOL}")
            return
        self.connected_at = timezone.now()
        arrive = database_sync_to_async(presence.arrived)
        arrival = await arrive(self.node.pk, self.node.identity_prefix or "", hello, self.address, self.connected_at)
        if arrival is None or arrival.is_refused:
            await database_sync_to_async(presence.note_refused)(self.node.pk, self.address)
            if arrival is not None and arrival.node.state == Standing.PAUSED and hello.is_paused and self.held is None:
                await self._hold(hello)
            else:
                await self._look_at_standing()
            return
        self.node, self.hello = arrival.node, hello
        await self.channel_layer.group_add(group_of(self.node.pk), self.channel_name)
        await self.channel_layer.group_add(NODES, self.channel_name)
        await self.channel_layer.group_send(HUBS, {"type": "hub.arrived", "node": self.node.pk, "channel": self.channel_name})
        await self.channel_layer.group_send(group_of(self.node.pk), {
            "type": "node.replaced", "channel": self.channel_name, "boot": hello.boot, "since": self.connected_at.timestamp()})
        self.wanting = Wanting(self.node.pk, hello.running, self._say)
        notes = [*arrival.notes]
        await self._say(Welcome(node=self.node.pk, name=self.node.name, at=time.time(), version=VERSION, notes=notes))
        self.tree.set_own(await database_sync_to_async(presence.own_instances)(self.node.pk))
        self._write(self._look)
        await self._skewed(hello.at)

    async def _hold(self, hello: Hello) -> None:
        """It knows that it is paused. A word that came before we listened for it is not missed."""
        self.held = hello
        await self.channel_layer.group_add(held_group_of(self.node.pk), self.channel_name)
        self._write(self._look_at_standing)

    async def _release(self, hello: Hello) -> None:
        await self._greet(hello)
        if self.hello is not None:
            self.held = None
            await self.channel_layer.group_discard(held_group_of(self.node.pk), self.channel_name)

    async def _state(self, said: State) -> None:
        try:
            taken = self.tree.apply(said.patch, is_full=said.is_full)
        except TooMuch as error:
            logger.warning("node %d: its state is refused: %s", self.node.pk, error)
            await self._end(Close.BROKEN, f"a state that is not taken: {error}")
            return
        workers = self.tree.state.get("workers", {})
        self.history.feed(time.time(), workers)
        for key in taken.get("workers", {}):
            worker = workers.get(key, {})
            run = (worker.get("revision"), worker.get("pending"))
            if self._runs.get(key) != run:
                self._runs[key] = run
                if isinstance(run[0], int) and run[0] > 0 and run[1] is None:
                    self._write(partial(_call, partial(running.note_settled, self.node, int(key), run[0])))
        await self._tell_hubs(taken, is_full=said.is_full)
        await self._skewed(said.at)

    async def _skewed(self, at: float) -> None:
        skew = round(at - time.time(), 1)
        known = self.tree.state.get("host", {}).get("clock_skew_s")
        if known is None or abs(skew - self._skew) >= SKEW_STEP_S:
            self._skew = skew
            await self._tell_hubs(self.tree.set_skew(skew))

    async def _happened(self, said: Happened) -> None:
        now = time.monotonic()
        taken = [event for event in said.events if self._events.take(1, now)]
        assert self.hello is not None
        rows = await database_sync_to_async(partial(events.note, boot=self.hello.boot, seq=said.seq))(self.node, taken)
        if said.seq:
            await self._say(EventsKept(seq=said.seq))
        if rows:
            await self.channel_layer.group_send(HUBS, events.as_message(rows))

    async def _traffic(self, said: Traffic) -> None:
        await database_sync_to_async(traffic.keep)(self.node.pk, said)
        await self._say(TrafficKept(boot=said.boot, seq=said.seq))

    async def _answered(self, said: Answer) -> None:
        reply, _ = self._asked.pop(said.id, ("", 0.0))
        if reply:
            problems = [one.model_dump() for one in said.problems]
            try:
                answer = json.dumps(said.answer, allow_nan=False)
            except ValueError:
                answer, problems = "{}", [{"text": "the node's answer holds numbers that are none", "path": ""}]
            await self.channel_layer.send(reply, {"type": "ask.answer", "id": said.id, "answer": answer, "problems": problems})

    async def _logged(self, said: LogLines) -> None:
        if self.looked.is_looked_at(time.monotonic()) and (said.instance == 0 or self.tree.is_own(said.instance)):
            lines = [[at, level[:16], text[:MAX_LOG_CHARS]] for at, level, text in said.lines[:MAX_LOG_LINES]]
            await self.channel_layer.group_send(HUBS, {
                "type": "hub.log", "node": self.node.pk, "instance": said.instance, "lines": lines})

    # what other parts of the panel say

    async def node_replaced(self, message: dict[str, Any]) -> None:
        if message["channel"] == self.channel_name or self.hello is None or self.close_code is not None:
            return
        if (message["since"], message["channel"]) < (self.connected_at.timestamp(), self.channel_name):
            return              # it is the older one, and hears of us as well
        self.is_replaced = True
        if message["boot"] != self.hello.boot and time.monotonic() - self.heard_at < BEAT_S + 1:
            self._write(partial(_call, partial(presence.note_twice, self.node, self.address)))
        await self._end(Close.REPLACED, "the same identity has connected again")

    async def node_standing(self, message: dict[str, Any]) -> None:
        self._write(self._look_at_standing)

    async def node_wanted(self, message: dict[str, Any]) -> None:
        if not self.wanting.is_due:
            self.wanting.is_due = True
            self._write(self._look)

    async def node_confirm(self, message: dict[str, Any]) -> None:
        await self._say(Confirm(instance=message["instance"], revision=message["revision"]))

    async def node_look(self, message: dict[str, Any]) -> None:
        """A hub is there, and has a browser that looks."""
        is_new = self.looked.note(message["hub"], time.monotonic())
        if is_new or message.get("is_full"):
            await self.channel_layer.send(message["hub"], {
                "type": "hub.full", "node": self.node.pk, "channel": self.channel_name, "seq": self.looked.seq, "at": time.time(),
                "state": self.tree.state, "history": self.history.as_json()})

    async def node_ask(self, message: dict[str, Any]) -> None:
        now = time.monotonic()
        self._asked = {key: one for key, one in self._asked.items() if one[1] > now}
        if len(self._asked) >= MAX_ASKED:
            await self.channel_layer.send(message["reply"], {
                "type": "ask.answer", "id": message["id"], "answer": "{}",
                "problems": [{"text": "too many questions wait for this node's answers; ask again in a moment"}]})
            return
        self._asked[message["id"]] = (message["reply"], now + ASKED_S)
        await self.channel_layer.send(message["reply"], {"type": "ask.taken", "id": message["id"]})
        arguments = json.loads(message["arguments"])
        ask = Ask(id=message["id"], instance=message["instance"], what=message["what"], arguments=arguments)
        if ask.what == "restart":       # with what is wanted by now: it may wait to be looked at
            self._write(partial(self._say, ask))
        else:
            await self._say(ask)

    async def node_totals(self, message: dict[str, Any]) -> None:
        await self.channel_layer.send(message["reply"], {"type": "ask.totals", **self.tree.totals()})

    async def node_gauges(self, message: dict[str, Any]) -> None:
        await self.channel_layer.send(message["reply"], {
            "type": "ask.gauges", "node": self.node.pk, "instances": self.tree.gauges()})

    # inside

    async def _look(self) -> None:
        """Send what should run, if it is something else than before."""
        self.wanting.is_due = False
        await self._tell_hubs(self.tree.set_own(await database_sync_to_async(presence.own_instances)(self.node.pk)))
        await self.wanting.look()

    async def _look_at_standing(self) -> None:
        state, prefix = await database_sync_to_async(presence.identity_of)(self.node.pk)
        if prefix != self.node.identity_prefix:
            await self._end(Close.REVOKED, "the node has another identity now")
        elif self.held is not None and state in (Standing.APPROVED, Standing.PAUSED):
            if state == Standing.APPROVED:
                await self._release(self.held)
        elif state != Standing.APPROVED:
            await self._end(CLOSE_OF[Standing(state)], f"the node is {Standing(state).label}")

    async def _tell_hubs(self, patch: dict[str, Any], *, is_full: bool = False) -> None:
        if self.looked.is_looked_at(time.monotonic()):
            self.looked.seq += 1
            state = self.tree.state if is_full else patch
            await self.channel_layer.group_send(HUBS, {
                "type": "hub.state", "node": self.node.pk, "channel": self.channel_name, "seq": self.looked.seq,
                "at": time.time(), "patch": state, "is_full": is_full})

    def _write(self, work: Any) -> None:
        if not self.ledger.put(work):
            spawn(f"end of node {self.node.pk}", self._end(Close.BROKEN, "more is said than can be written"))

    async def _say(self, message: BaseModel) -> None:
        if self.close_code is None:
            self.said_at = time.monotonic()
            with suppress(Disconnected):        # it is closing, which `disconnect` is told next
                await self.send(text_data=message.model_dump_json())

    async def _end(self, code: int, reason: str) -> None:
        """The connection ends; the agent is told why."""
        if self.close_code is None:
            self.close_code = code
            await self.close(code=int(code), reason=reason[:100])

    async def _beat(self) -> None:
        begun = looked_at = time.monotonic()
        while self.close_code is None:
            await asyncio.sleep(BEAT_S)
            now = time.monotonic()
            is_silent = self.hello is None and self.held is None
            if now - self.heard_at >= SILENCE_S or (is_silent and now - begun >= HELLO_S):
                logger.info("node %d says nothing any more", self.node.pk)
                await self._end(NORMAL, "nothing was heard")
                return
            if is_silent:
                continue
            if now - self.said_at >= BEAT_S - 1:
                await self._say(Ping(at=time.time()))
            if now - looked_at >= LOOK_EVERY_S:
                looked_at = now
                self._write(self._look_at_standing)
                if self.hello is None:
                    self._write(partial(_call, partial(presence.note_refused, self.node.pk, self.address)))
                    continue
                self._write(partial(_call, partial(presence.note_seen, self.node.pk, self.connected_at, self._skew)))
                await self.node_wanted({})


async def _call(write: Any) -> None:
    """Something of services, on the thread that has the database."""
    await database_sync_to_async(write)()

