"""What a browser or a program looks through, /ws/live/.

    browser: {"ack": version} after each state; {"watch": {"sessions": {...}} | {"log": instance} | null}
    panel:   {"type": "full" | "patch" | "events" | "sessions" | "log" | "error", ...}      see docs/live.md
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any, Final

from autobahn.exception import Disconnected
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from dashboard.accounts.client_address import address_behind_proxies
from dashboard.live import rights
from dashboard.live.bounds import Meter
from dashboard.live.hub import Full, hub
from dashboard.live.lookers import Browser, MessageTooOld
from dashboard.live.origin import is_own_origin
from dashboard.live.rights import Looker

MAX_SAID_CHARS: Final = 4096
SAID_PER_S: Final = 5.0
SAID_AT_ONCE: Final = 50.0

BROKEN: Final = 4400
FULL: Final = 4429


class _Page(Browser):
    def __init__(self, looker: Looker, consumer: LiveConsumer) -> None:
        super().__init__(looker)
        self._consumer = consumer

    async def send(self, text: str) -> None:
        with suppress(Disconnected):            # it is closing, which `disconnect` is told next; all others go on
            await self._consumer.send(text_data=text)

    async def end(self, code: int, reason: str) -> None:
        await self._consumer.close(code=code, reason=reason)


class LiveConsumer(AsyncWebsocketConsumer):
    page: _Page | None = None

    async def dispatch(self, message: dict[str, Any]) -> None:
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def connect(self) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]}
        # A page of somebody else could open this with the cookie of who looks at it; a program with a token sends no Origin.
        has_token = "authorization" in headers
        looker = None
        if is_own_origin(headers) if not has_token or "origin" in headers else True:
            peer = (self.scope.get("client") or ("",))[0]
            address = address_behind_proxies(peer or "", headers.get("x-forwarded-for", ""))
            looker = await database_sync_to_async(rights.by_headers)(headers, address)
        if looker is None:
            await self.close()
            return
        await self.accept()
        self._said = Meter(SAID_PER_S, SAID_AT_ONCE, time.monotonic())
        page = _Page(looker, self)
        try:
            self.page = page
            await hub().join(page)
        except Full:
            self.page = None
            await self.close(code=FULL, reason="too many look already")

    async def disconnect(self, code: int) -> None:
        if self.page is not None:
            hub().leave(self.page)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        page = self.page
        if page is None:
            return
        try:
            if not self._said.take(1, time.monotonic()) or len(text_data or "") > MAX_SAID_CHARS:
                raise ValueError
            said = json.loads(text_data or "")
            if not isinstance(said, dict):
                raise ValueError
            if isinstance(version := said.get("ack"), int):
                await hub().acknowledged(page, version)
            if "watch" in said:
                await hub().watch(page, said["watch"])
        except (ValueError, RecursionError, MessageTooOld):
            self.page = None
            hub().leave(page)
            await self.close(code=BROKEN, reason="a message that is none")
