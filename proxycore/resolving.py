"""Where `domainStrategy` asks for addresses: a request whose decision needs those of its name waits for them."""

from __future__ import annotations

from functools import partial

from proxycore.destination import Request
from proxycore.held import WaitingPackets, WaitingStream
from proxycore.protocols.base import Dispatcher
from proxycore.routing.resolution import Addresses, Resolution
from proxycore.routing.router import Router, Step
from proxycore.stream import PacketStream, Stream


class Resolving:
    """Dispatches requests again, by whoever gives them, with the addresses of their names."""

    __slots__ = ("resolution",)

    def __init__(self, resolution: Resolution) -> None:
        self.resolution = resolution

    def dispatch(self, request: Request, stream: Stream, by: Dispatcher) -> None:
        addresses = self.resolution.known(request.name)
        if addresses is None:
            waiting = WaitingStream(stream)
            self.resolution.look_up(request.name, partial(_join, by, request, waiting))
        else:
            by.dispatch(request._replace(resolved=addresses), stream)

    def dispatch_packets(self, request: Request, packets: PacketStream, by: Dispatcher) -> None:
        addresses = self.resolution.known(request.name)
        if addresses is None:
            waiting = WaitingPackets(packets)
            self.resolution.look_up(request.name, partial(_join_packets, by, request, waiting))
        else:
            by.dispatch_packets(request._replace(resolved=addresses), packets)


def _join(by: Dispatcher, request: Request, waiting: WaitingStream, addresses: Addresses) -> None:
    waiting.go_on(partial(by.dispatch, request._replace(resolved=addresses)))


def _join_packets(by: Dispatcher, request: Request, waiting: WaitingPackets, addresses: Addresses) -> None:
    waiting.go_on(partial(by.dispatch_packets, request._replace(resolved=addresses)))


async def explain(router: Router, resolution: Resolution, request: Request) -> list[Step]:
    """`router.explain`, after the addresses have been looked up if they are needed."""
    if router.wants_addresses(request):
        addresses = resolution.known(request.name)
        if addresses is None:
            addresses = await resolution.addresses(request.name)
        request = request._replace(resolved=addresses)
    return router.explain(request)
