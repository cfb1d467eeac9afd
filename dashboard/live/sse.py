"""/api/v1/live/: the same as /ws/live/ as server-sent events, for programs that only read.

What daphne has taken counts as acknowledged. It takes everything, however slow the reader is, so a stream ends after some minutes
or megabytes; clients of server-sent events come back by themselves, and get everything anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from dashboard.api.authentication import token_of
from dashboard.api.base import ApiView
from dashboard.live import rights
from dashboard.live.hub import Full, hub
from dashboard.live.lookers import Browser
from dashboard.live.rights import Looker

MAX_S: Final = 900.0
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_WAITING: Final = 200
QUIET_S: Final = 15.0               # a comment keeps what is between us from closing


class AnyAccept(BaseContentNegotiation):
    """`Accept: text/event-stream` has no renderer: problems are JSON."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return JSONRenderer(), JSONRenderer.media_type


class LiveView(ApiView):
    """What runs, as it happens."""

    needs = {"*": ["dashboard.view_instance"]}      # noqa: RUF012
    is_for_all = True
    content_negotiation_class = AnyAccept

    @extend_schema(responses={(200, "text/event-stream"): OpenApiTypes.STR})
    def get(self, request: Request) -> StreamingHttpResponse:
        """Server-sent events: `full` at first, then `patch` about once a second and `events` at once. See docs/live.md."""
        token = token_of(request)
        looker = rights.of_token(token) if token is not None else rights.by_cookie(request.headers.get("Cookie", ""))
        if looker is None:
            self.permission_denied(request)
        answer = StreamingHttpResponse(stream(looker), content_type="text/event-stream")
        answer["Cache-Control"] = "no-store"
        answer["X-Accel-Buffering"] = "no"
        return answer


class _Stream(Browser):
    def __init__(self, looker: Looker) -> None:
        super().__init__(looker)
        self.waiting: asyncio.Queue[tuple[str, int]] = asyncio.Queue(MAX_WAITING)
        self.has_ended = False

    async def tell(self, version: int, text: str) -> None:
        self.told(version)
        self._put(text, version)

    async def send(self, text: str) -> None:
        self._put(text, 0)

    async def end(self, code: int, reason: str) -> None:
        self.has_ended = True
        self._put("", 0)

    def _put(self, text: str, version: int) -> None:
        try:
            self.waiting.put_nowait((text, version))
        except asyncio.QueueFull:
            self.has_ended = True


async def stream(looker: Looker) -> AsyncIterator[str]:
    one = _Stream(looker)
    try:
        await hub().join(one)
    except Full:
        yield 'data: {"type":"error","text":"too many look already"}\n\n'
        return
    end, sent = time.monotonic() + MAX_S, 0
    try:
        yield "retry: 1000\n\n"
        while not one.has_ended and sent < MAX_BYTES and time.monotonic() < end:
            try:
                text, version = await asyncio.wait_for(one.waiting.get(), QUIET_S)
            except TimeoutError:
                yield ":\n\n"
                continue
            if text:
                sent += len(text)
                yield f"data: {text}\n\n"
            if version:
                await hub().acknowledged(one, version)
    finally:
        hub().leave(one)
