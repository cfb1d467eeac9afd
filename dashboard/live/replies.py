"""Questions to the consumer of a node, from whatever process, and what it answers."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

from channels.layers import get_channel_layer

from dashboard.live.tasks import spawn
from dashboard.live.telling import NODES, group_of

TAKEN_WITHIN_S: Final = 3.0
"""A consumer that is there says at once that it passes a question on."""

GAUGES_WITHIN_S: Final = 1.0
"""A monitor that asks every few seconds is not kept waiting by one node."""

GRACE_S: Final = 3.0
"""What the layer may take beside that."""

AnswerT = TypeVar("AnswerT")


class NobodyThere(Exception):
    """No consumer has this node."""


class NoAnswer(Exception):
    """The node did not answer in time."""


async def ask_node(node_pk: int, instance_pk: int, what: str, arguments: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """{"answer": {...}, "problems": [Complaint as JSON]}. Raises NobodyThere, NoAnswer."""
    return await _surely(_ask_node(node_pk, instance_pk, what, arguments, timeout_s), timeout_s)


async def totals_of(node_pk: int) -> dict[str, int]:
    """What runs there: workers, tunnels with a carrier, sessions. Raises NobodyThere, NoAnswer."""
    return await _surely(_totals_of(node_pk), TAKEN_WITHIN_S)


async def gauges_of(node_pks: Collection[int]) -> dict[int, dict[str, Any]]:
    """By the node's number NodeTree.gauges, of those that answer in time. Raises NobodyThere, NoAnswer."""
    return await _surely(_gauges_of(set(node_pks)), GAUGES_WITHIN_S)


async def _surely(asking: Coroutine[Any, Any, AnswerT], timeout_s: float) -> AnswerT:
    """Not waited for much longer than it should take: a thread of the web server waits for the answer, and Redis may be slow.
    Raises NoAnswer.
    """
    try:
        async with asyncio.timeout(timeout_s + GRACE_S):
            return await asking
    except TimeoutError:
        raise NoAnswer from None


async def _ask_node(node_pk: int, instance_pk: int, what: str, arguments: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    id_ = uuid.uuid4().hex
    async with _answers() as (layer, answers):
        await layer.group_send(group_of(node_pk), {
            "type": "node.ask", "id": id_, "instance": instance_pk, "what": what, "arguments": json.dumps(arguments),
            "reply": answers.channel})
        end = time.monotonic() + timeout_s
        message = await answers.next(min(TAKEN_WITHIN_S, timeout_s), NobodyThere)
        while message["type"] != "ask.answer" or message["id"] != id_:
            message = await answers.next(end - time.monotonic(), NoAnswer)
        return {"answer": json.loads(message["answer"]), "problems": message["problems"]}


async def _totals_of(node_pk: int) -> dict[str, int]:
    async with _answers() as (layer, answers):
        await layer.group_send(group_of(node_pk), {"type": "node.totals", "reply": answers.channel})
        message = await answers.next(TAKEN_WITHIN_S, NobodyThere)
        return {key: message[key] for key in ("workers", "tunnels", "sessions")}


async def _gauges_of(waited: set[int]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    async with _answers() as (layer, answers):
        await layer.group_send(NODES, {"type": "node.gauges", "reply": answers.channel})
        end = time.monotonic() + GAUGES_WITHIN_S
        with suppress(NoAnswer):
            while not waited <= found.keys():
                message = await answers.next(end - time.monotonic(), NoAnswer)
                found[message["node"]] = message["instances"]
    return found


class _Answers:
    """What comes by a channel. Nothing but `close` cancels a receiver of the layer: with Redis each one that is cancelled while
    it subscribes ends the connection by which the whole process hears.
    """

    def __init__(self, layer: Any, channel: str) -> None:
        self.channel = channel
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._hearing = spawn("answers of nodes", self._hear(layer))

    async def _hear(self, layer: Any) -> None:
        while True:
            self._said.put_nowait(await layer.receive(self.channel))

    async def next(self, timeout_s: float, otherwise: type[Exception]) -> dict[str, Any]:
        try:
            return await asyncio.wait_for(self._said.get(), max(0.01, timeout_s))
        except TimeoutError:
            raise otherwise from None

    def close(self) -> None:
        self._hearing.cancel()      # layers forget a channel whose receiver is cancelled


@asynccontextmanager
async def _answers() -> AsyncIterator[tuple[Any, _Answers]]:
    layer: Any = get_channel_layer()
    if layer is None:
        raise NobodyThere
    answers = _Answers(layer, await layer.new_channel("reply"))
    try:
        yield layer, answers
    finally:
        answers.close()
