"""Questions of the panel: passed on to a worker, or answered here. So many at once, each for so long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import BaseModel

from proxycore import tasks
from proxycore.agent.log_ring import LogRing
from proxycore.agent.node_instance import NodeInstance
from proxycore.errors import LinkDown
from proxycore.messages import questions
from proxycore.messages.link import Answer, Ask
from proxycore.messages.worker import Complaint

MAX_ASKS: Final = 32
ASK_S: Final = 10.0
DIAGNOSE_S: Final = 60.0
MOST_WATCH_S: Final = 300.0
MAX_LOG_LINES: Final = 2000

THIS_AGENT: Final = 0
"""As an instance: the agent's own log."""


class Asks:
    def __init__(
        self, instances: Mapping[int, NodeInstance], own_log: LogRing, tell: Callable[[BaseModel], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._instances = instances
        self._own_log = own_log
        self._tell = tell
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()
        self._watched: dict[int, float] = {}        # instance: until when its new lines are sent

    def take(self, ask: Ask) -> None:
        """It is answered, sooner or later."""
        if len(self._running) >= MAX_ASKS:
            self._tell(_no(ask, f"this node has {MAX_ASKS} questions to answer already: ask again"))
            return
        task = tasks.spawn(f"ask {ask.what}", self._answer(ask))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def is_watched(self, instance: int) -> bool:
        return self._watched.get(instance, 0.0) > self._clock()

    def forget(self) -> None:
        """Who asked is gone."""
        for task in self._running:
            task.cancel()
        self._watched.clear()

    async def _answer(self, ask: Ask) -> None:
        if ask.what in questions.OF_AGENT:
            self._tell(self._answer_here(ask))
            return
        instance = self._instances.get(ask.instance)
        if instance is None:
            self._tell(_no(ask, "this node does not have that instance"))
            return
        if ask.what not in questions.OF_WORKER:
            self._tell(_no(ask, f"an agent of this version does not know {ask.what!r}"))
            return
        try:
            done = await instance.ask(ask.what, ask.arguments, DIAGNOSE_S if ask.what == questions.DIAGNOSE else ASK_S)
        except LinkDown as error:
            self._tell(_no(ask, str(error)))
            return
        self._tell(Answer(id=ask.id, answer=done.answer, problems=done.problems))

    def _answer_here(self, ask: Ask) -> Answer:
        instance = self._instances.get(ask.instance)
        is_own = ask.instance == THIS_AGENT and ask.what != questions.RESTART
        if instance is None and not is_own:
            return _no(ask, "this node does not have that instance")
        log = self._own_log if instance is None else instance.log
        if ask.what == questions.LOG:
            level = ask.arguments.get("level", "")
            lines = log.last(int(_number(ask.arguments, "lines", 200, MAX_LOG_LINES)), level if isinstance(level, str) else "")
            return Answer(id=ask.id, answer={"lines": lines})
        if ask.what == questions.WATCH_LOG:
            self._watched[ask.instance] = self._clock() + _number(ask.arguments, "seconds", 60, MOST_WATCH_S)
        elif instance is not None:
            instance.restart()
        return Answer(id=ask.id)


def _no(ask: Ask, text: str) -> Answer:
    return Answer(id=ask.id, problems=[Complaint(text=text)])


def _number(arguments: Mapping[str, Any], key: str, default: float, most: float) -> float:
    value = arguments.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return default
    return min(most, max(0, value))
