"""What one agent was told to run, and what of it has to be said again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from channels.db import database_sync_to_async
from pydantic import BaseModel

from dashboard.services.running import WantedRevision, wanted_of
from proxycore.messages.link import MAX_DOCUMENT_BYTES, Running, Wanted, WantedInstance, document_bytes

logger = logging.getLogger(__name__)


class Wanting:
    """`is_due`: somebody will look already."""

    def __init__(self, node_pk: int, running: Iterable[Running], say: Callable[[BaseModel], Awaitable[None]]) -> None:
        self._node_pk = node_pk
        self._say = say
        self._known: dict[int, dict[str, int]] = {}         # instance -> digest of a document that the agent has -> revision
        for one in running:
            self._known.setdefault(one.instance, {})[one.document_sha256] = one.revision
        self._signs: tuple[Any, ...] | None = None
        self.is_due = False

    async def look(self) -> None:
        """Read what should run, and say it if that is something else than what was said."""
        wanted = await database_sync_to_async(wanted_of)(self._node_pk)
        signs = tuple(one.sign for one in wanted)
        if signs == self._signs:
            return
        waiting = [one for one in wanted if one.document_sha256 not in self._known.get(one.instance, {})]
        while True:
            texts = await self._read_some(waiting)
            listed = [said for one in wanted if (said := self._as_said(one, texts)) is not None]
            await self._say(Wanted(instances=listed))
            for one in wanted:
                if one.instance in texts:
                    self._known[one.instance] = {one.document_sha256: one.revision}
            waiting = [one for one in waiting if one.instance not in texts]
            if not waiting or not texts:
                break
        self._signs = signs
        there = {one.instance for one in wanted}
        self._known = {instance: known for instance, known in self._known.items() if instance in there}

    async def _read_some(self, waiting: list[WantedRevision]) -> dict[int, str]:
        """Documents by instance: as many as one message holds."""
        texts: dict[int, str] = {}
        size = 0
        for one in waiting:
            text = await database_sync_to_async(one.document)()
            length = document_bytes(text)
            if length > MAX_DOCUMENT_BYTES:         # it was published by an older panel
                logger.error("the document of %s (%d bytes) is too long to be sent to a node", one.name, length)
                continue
            if size + length > MAX_DOCUMENT_BYTES:
                break
            texts[one.instance] = text
            size += length
        return texts

    def _as_said(self, one: WantedRevision, texts: dict[int, str]) -> WantedInstance | None:
        """With its document where that is sent now. Where that comes later what the agent has goes on; None if it has nothing."""
        known = self._known.get(one.instance, {})
        revision, sha256 = one.revision, one.document_sha256
        if one.instance not in texts and sha256 not in known:
            if not known:
                return None
            sha256, revision = next(iter(known.items()))
        return WantedInstance(
            instance=one.instance, name=one.name, revision=revision, document_sha256=sha256, document=texts.get(one.instance),
            paused=list(one.paused), limits=[planned.limit for planned in one.limits] if revision == one.revision else [],
            confirm_s=one.confirm_s if revision == one.revision else 0.0, needs_confirm=one.needs_confirm,
            memory_bytes=one.memory_bytes, descriptors=one.descriptors)
