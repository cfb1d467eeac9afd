"""Which WebSockets there are."""

from __future__ import annotations

from typing import Any, Final

from channels.generic.websocket import AsyncWebsocketConsumer

from dashboard.live.agents import AgentConsumer
from dashboard.live.browsers import LiveConsumer
from proxycore.messages.link import PATH

LIVE_PATH: Final = "/ws/live/"


class Refused(AsyncWebsocketConsumer):
    """Every other address."""

    async def connect(self) -> None:
        await self.close()


_BY_PATH: Final[dict[str, Any]] = {PATH: AgentConsumer.as_asgi(), LIVE_PATH: LiveConsumer.as_asgi()}
_REFUSED: Final[Any] = Refused.as_asgi()


async def websockets(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application of all of them."""
    await _BY_PATH.get(scope["path"], _REFUSED)(scope, receive, send)
