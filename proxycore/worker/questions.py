"""Answers to what is asked of a worker: messages/questions.py says what there is and how it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from proxycore.blocks import plain_address
from proxycore.destination import Destination, Request, parse_host
from proxycore.instance import Instance
from proxycore.live.carriers import text
from proxycore.live.ending import end_connections_of
from proxycore.live.sessions import Sessions, TunnelKind
from proxycore.live.tunnels import portals_by_tag
from proxycore.messages import questions
from proxycore.messages.events import Kind
from proxycore.messages.framing import encode, frame
from proxycore.messages.worker import Done
from proxycore.reverse.portal import Portal

MAX_IDS: Final = 10_000
MAX_UNDER_WAY: Final = 16
"""Answers that take time."""

NOWHERE: Final = Destination("tcp", "", 0)
"""Which carrier a session gets does not depend on where it goes."""

SESSIONS_AT_ONCE: Final = 100
"""That are listed in one turn of the loop: about 1 ms."""


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _SessionsOf(_Arguments):
    tunnel: str
    kind: TunnelKind = "portal"
    limit: int = Field(default=questions.MAX_SESSIONS, ge=0, le=questions.MAX_SESSIONS)


class _Close(_Arguments):
    ids: list[str] = Field(default=[], max_length=MAX_IDS)
    tunnel: str = ""
    kind: TunnelKind | None = None
    source: str = ""
    everything: bool = False


class _Block(_Arguments):
    source: str
    seconds: float = Field(default=3600.0, gt=0)


class _Unblock(_Arguments):
    source: str


class _Explain(_Arguments):
    destination: str
    inbound: str = ""
    source: str = ""
    user: str = ""


class _Pick(_Arguments):
    tunnel: str
    source: str = ""


ArgumentsT = TypeVar("ArgumentsT", bound=_Arguments)
Answer = dict[str, Any]


class Answers:
    """About one instance. What cannot be answered is a ValueError with one sentence."""

    def __init__(self, instance: Instance, sessions: Sessions) -> None:
        self._instance = instance
        self._sessions = sessions
        self._under_way = 0
        self._later: dict[str, Callable[[int, Mapping[str, Any]], Awaitable[bytes]]] = {
            questions.SESSIONS: self._list,
            questions.DIAGNOSE: self._diagnose,
        }
        self._table: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
            questions.CLOSE: self._close,
            questions.BLOCK: self._block,
            questions.UNBLOCK: self._unblock,
            questions.EXPLAIN: self._explain,
            questions.PICK: self._pick,
        }

    def takes_time(self, what: str) -> bool:
        """Whether it is `answer_later` that answers."""
        return what in self._later

    async def answer_later(self, id_: int, what: str, arguments: Mapping[str, Any]) -> bytes:
        """The frame of the Done. Raises: ValueError (a ValidationError is one)."""
        if self._under_way >= MAX_UNDER_WAY:
            raise ValueError("too much is asked at once")
        self._under_way += 1
        try:
            return await self._later[what](id_, arguments)
        finally:
            self._under_way -= 1

    async def _diagnose(self, id_: int, arguments: Mapping[str, Any]) -> bytes:
        from proxycore.diagnosis.diagnosing import diagnose  # a worker that is never asked is not to carry it

        return encode(Done(id=id_, answer={"steps": await diagnose(self._instance, arguments)}))

    async def _list(self, id_: int, arguments: Mapping[str, Any]) -> bytes:
        """Thousands are listed and written in slices, between which the loop goes on."""
        asked = _SessionsOf.model_validate(arguments)
        found = list(self._sessions.of(asked.tunnel, asked.kind))
        listed = found[: asked.limit]
        parts = []
        for start in range(0, len(listed), SESSIONS_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            parts.append(to_json(list(self._sessions.states(listed[start : start + SESSIONS_AT_ONCE])))[1:-1])
        head, tail = Done(id=id_, answer={"total": len(found), "sessions": []}).model_dump_json().encode().rsplit(b"[]", 1)
        return frame(b"".join((head, b"[", b",".join(parts), b"]", tail)))

    def answer(self, what: str, arguments: Mapping[str, Any]) -> Answer:
        """Raises: ValueError (a ValidationError is one)."""
        ask = self._table.get(what)
        if ask is None:
            raise ValueError(f'"{what[:40]}" is nothing that a worker of this version can be asked')
        return ask(arguments)

    def _close(self, arguments: Mapping[str, Any]) -> Answer:
        asked = _Close.model_validate(arguments)
        if asked.everything and not asked.tunnel:
            raise ValueError("everything of which tunnel?")
        if not asked.ids and not asked.source and not asked.everything:
            raise ValueError("which sessions? Their ids or a source are expected")
        closed = self._sessions.close(asked.ids)
        if asked.everything:
            closed += self._sessions.close_all(asked.tunnel, asked.kind)
        if asked.source:
            source = _address(asked.source)
            closed += self._sessions.close_of(source, asked.tunnel, asked.kind)
        if closed:
            where = f" of {asked.source}" if asked.source else ""
            text = f"{closed} session{'s' if closed != 1 else ''}{where} closed by hand"
            self._instance.ground.news.tell(Kind.CLOSED_BY_HAND, asked.tunnel, text, source=asked.source or None)
        return {"closed": closed}

    def _block(self, arguments: Mapping[str, Any]) -> Answer:
        asked = _Block.model_validate(arguments)
        source = _address(asked.source)
        ground = self._instance.ground
        ground.blocks.block(source, asked.seconds)
        closed = self._sessions.close_of(source)
        closed += end_connections_of(self._instance, source)
        text = f"{source} is blocked for {asked.seconds:.0f} s"
        ground.news.tell(Kind.BLOCKED, "", text, source=source, seconds=asked.seconds)
        return {"closed": closed}

    def _unblock(self, arguments: Mapping[str, Any]) -> Answer:
        self._instance.ground.blocks.unblock(_address(_Unblock.model_validate(arguments).source))
        return {}

    def _explain(self, arguments: Mapping[str, Any]) -> Answer:
        asked = _Explain.model_validate(arguments)
        source = (_address(asked.source), 0) if asked.source else None
        request = Request(parse_destination(asked.destination), asked.inbound, source=source, user=asked.user)
        steps = self._instance.router.explain(request)
        answer: Answer = {"steps": [asdict(step) for step in steps]}
        tag = self._instance.router.pick(request) if steps and steps[-1].matched else None
        portals = portals_by_tag(self._instance).get(tag or "")
        if portals:
            answer["carriers"] = self._candidates(portals[0], request)
        return answer

    def _pick(self, arguments: Mapping[str, Any]) -> Answer:
        asked = _Pick.model_validate(arguments)
        portals = portals_by_tag(self._instance).get(asked.tunnel)
        if not portals:
            raise ValueError(f'there is no portal "{asked.tunnel[:80]}" here')
        source = (_address(asked.source), 0) if asked.source else None
        request = Request(NOWHERE, "", source)
        portal = portals[0]
        return {
            "policy": portal.picker.picking.policy, "paused": portal.is_paused, "carriers": self._candidates(portal, request)}

    def _candidates(self, portal: Portal, request: Request) -> list[questions.Candidate]:
        return [
            questions.Candidate(
                carrier=self._sessions.carriers.number(one.link), peer=text(one.link.source), user=one.link.credential,
                is_chosen=one.is_usable and not number, is_usable=one.is_usable, why=one.reason)
            for number, one in enumerate(portal.verdicts(request))]


def parse_destination(text: str) -> Destination:
    """Read `host:port/tcp`; the network is tcp where none is given. Raises: ValueError."""
    address, _, network = text.strip().partition("/")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535 or network not in ("", "tcp", "udp"):
        raise ValueError(f'"{text[:80]}" is no destination: host:port/tcp is expected')
    which: Literal["tcp", "udp"] = "udp" if network == "udp" else "tcp"
    return Destination(which, parse_host(host), int(port))


def _address(text: str) -> str:
    try:
        return plain_address(text)
    except ValueError:
        raise ValueError(f'"{text[:64]}" is no IP address') from None
