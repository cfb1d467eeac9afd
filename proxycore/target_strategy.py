"""`targetStrategy` of an outbound: names are resolved before it gets them. Source: Xray-core app/proxyman/outbound/handler.go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Protocol

from proxycore import tasks
from proxycore.destination import IPAddress, Request
from proxycore.errors import DialError, ProxyError
from proxycore.held import WaitingPackets, WaitingStream
from proxycore.net.resolve import Strategy
from proxycore.protocols.base import Outbound, Wrapping
from proxycore.stream import PacketStream, Stream

RESOLVE_S = 16.0
"""As long as a dial may take."""


class Resolver(Protocol):
    def resolve(self, host: str, strategy: Strategy = Strategy.AS_IS) -> Awaitable[Sequence[IPAddress]]:
        """Raises: ProxyError."""

    def is_own(self, request: Request) -> bool:
        """Whether this is a question of the built-in DNS to one of its servers, which must not wait for itself."""


class TargetResolving(Wrapping):
    """Stands before `inner`. A name without an address is left to `inner` by `Use*`, and refused by `Force*`."""

    def __init__(self, inner: Outbound, strategy: Strategy, names: Resolver) -> None:
        super().__init__(inner)
        self._strategy = strategy
        self._names = names

    def open(self, request: Request, stream: Stream) -> None:
        if self._is_plain(request):
            self._inner.open(request, stream)
        else:
            tasks.spawn(f"resolve {request.destination.host}", self._open(request, WaitingStream(stream)))

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        if self._is_plain(request):
            self._inner.open_packets(request, packets)
        else:
            tasks.spawn(f"resolve {request.destination.host}", self._open_packets(request, WaitingPackets(packets)))

    def _is_plain(self, request: Request) -> bool:
        return not isinstance(request.destination.host, str) or self._names.is_own(request)

    async def _open(self, request: Request, waiting: WaitingStream) -> None:
        try:
            request = await self._resolved(request)
        except ProxyError as error:
            if not waiting.is_over:
                waiting.peer.abort(error)
        else:
            waiting.go_on(partial(self._inner.open, request))

    async def _open_packets(self, request: Request, waiting: WaitingPackets) -> None:
        try:
            request = await self._resolved(request)
        except ProxyError:
            if not waiting.is_over:
                waiting.peer.close()
        else:
            waiting.go_on(partial(self._inner.open_packets, request))

    async def _resolved(self, request: Request) -> Request:
        host = str(request.destination.host)
        try:
            found = await asyncio.wait_for(self._names.resolve(host, self._strategy), RESOLVE_S)
        except TimeoutError:
            raise DialError(host, "the name lookup did not answer") from None
        except ProxyError:
            if self._strategy.startswith("force"):
                raise
            return request
        return request._replace(destination=request.destination._replace(host=found[0]))
