"""What is not part of the state, and asked of nodes only while somebody has it on the screen: sessions of a tunnel, logs.

Whoever watches the same is told by the same answer; one question is on its way at a time.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dashboard.engine.origins import add_countries
from dashboard.live.lookers import Browser
from dashboard.live.telling import group_of
from dashboard.live.views import encode
from proxycore.messages import questions

SESSIONS_EVERY_S: Final = 1.0
SESSIONS_PER_S: Final = 2000        # a longer list comes more seldom
LOST_AFTER_S: Final = 5.0           # a question that was not answered by then is asked again
WATCH_LOG_S: Final = 15.0
WATCH_LOG_EVERY_S: Final = 5.0
FIRST_LINES: Final = 300


class WatchSessions(BaseModel):
    model_config = ConfigDict(frozen=True)

    instance: int
    tunnel: str = Field(max_length=255)
    kind: Literal["portal", "bridge"] = "portal"


class Watch(BaseModel):
    """What a browser says: {"watch": this}; one of the two."""

    sessions: WatchSessions | None = None
    log: int | None = None


class Subject(NamedTuple):
    """`tunnel` and `kind` are empty for the log of `instance`."""

    instance: int
    tunnel: str = ""
    kind: str = ""


@dataclass
class _Watched:
    watchers: set[Browser] = field(default_factory=set)
    next_at: float = 0.0
    asked: str = ""
    asked_at: float = 0.0


class Watching:
    def __init__(self, layer: Any, channel: str, node_of: Callable[[int], int | None]) -> None:
        self._layer = layer
        self._channel = channel
        self._node_of = node_of
        self._watched: dict[Subject, _Watched] = {}

    @property
    def count(self) -> int:
        """Of those who watch something."""
        return sum(len(one.watchers) for one in self._watched.values())

    async def start(self, browser: Browser, what: Any) -> None:
        """Instead of what it watched before; None: nothing. What it may not see is answered by an error."""
        self.stop(browser)
        if what is None:
            return
        try:
            watch = Watch.model_validate(what)
        except ValidationError:
            await _refuse(browser, "this cannot be watched")
            return
        if watch.sessions is not None:
            subject = Subject(watch.sessions.instance, watch.sessions.tunnel, watch.sessions.kind)
        elif watch.log is not None:
            subject = Subject(watch.log)
        else:
            return
        if not browser.looker.view.may_see(subject.instance):
            await _refuse(browser, "you may not see this instance")
            return
        watched = self._watched.setdefault(subject, _Watched())
        watched.watchers.add(browser)
        if not subject.kind:            # lines that were before; new ones come by themselves
            await self._ask(subject, watched, questions.LOG, {"level": "debug", "lines": FIRST_LINES})
            watched.next_at = 0.0
        await self.tick(time.monotonic())

    def stop(self, browser: Browser) -> None:
        for subject, watched in tuple(self._watched.items()):
            watched.watchers.discard(browser)
            if not watched.watchers:
                del self._watched[subject]

    async def tick(self, now: float) -> None:
        for subject, watched in tuple(self._watched.items()):
            if now < watched.next_at or (subject.kind and watched.asked and now - watched.asked_at < LOST_AFTER_S):
                continue
            if subject.kind:
                arguments = {"tunnel": subject.tunnel, "kind": subject.kind, "limit": questions.MAX_SESSIONS}
                watched.next_at = now + SESSIONS_EVERY_S * 0.9
                await self._ask(subject, watched, questions.SESSIONS, arguments)
            else:
                watched.next_at = now + WATCH_LOG_EVERY_S
                await self._ask(subject, _Watched(), questions.WATCH_LOG, {"seconds": WATCH_LOG_S})

    async def answered(self, message: dict[str, Any]) -> None:
        found = next(((subject, one) for subject, one in self._watched.items() if one.asked == message["id"]), None)
        if found is None:
            return
        subject, watched = found
        watched.asked = ""
        if message["problems"]:
            text = str(message["problems"][0].get("text", ""))
            await _tell(watched, {"type": "error", "text": text})
            watched.next_at = time.monotonic() + LOST_AFTER_S
            return
        answer = json.loads(message["answer"])
        if subject.kind:
            sessions = answer.get("sessions", [])
            add_countries(sessions)
            watched.next_at = max(watched.next_at, time.monotonic() + len(sessions) / SESSIONS_PER_S * 0.9)
            await _tell(watched, {
                "type": "sessions", "instance": subject.instance, "tunnel": subject.tunnel, "kind": subject.kind,
                "sessions": sessions, "total": answer.get("total", len(sessions))})
        else:
            await _tell(watched, {"type": "log", "instance": subject.instance, "lines": answer.get("lines", [])})

    async def logged(self, message: dict[str, Any]) -> None:
        watched = self._watched.get(Subject(message["instance"]))
        if watched is not None:
            await _tell(watched, {"type": "log", "instance": message["instance"], "lines": message["lines"]})

    async def _ask(self, subject: Subject, watched: _Watched, what: str, arguments: dict[str, Any]) -> None:
        node = self._node_of(subject.instance)
        if node is None:
            for browser in watched.watchers:
                await _refuse(browser, "no node that is connected runs this instance")
            return
        watched.asked, watched.asked_at = uuid.uuid4().hex, time.monotonic()
        await self._layer.group_send(group_of(node), {
            "type": "node.ask", "id": watched.asked, "instance": subject.instance, "what": what,
            "arguments": json.dumps(arguments), "reply": self._channel})


async def _tell(watched: _Watched, message: dict[str, Any]) -> None:
    text = encode(message)
    for browser in tuple(watched.watchers):
        if not browser.is_slow:
            await browser.send(text)


async def _refuse(browser: Browser, text: str) -> None:
    await browser.send(encode({"type": "error", "text": text}))
