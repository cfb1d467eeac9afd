"""Where `domainStrategy` asks for addresses: a request whose decision needs those of its name waits for them."""

from __future__ import annotations

from functools import partial

from proxycore.destination import Request
from proxycore.held import HeldPackets, HeldStream
from proxycore.protocols.base import Dispatcher
from proxycore.routing.resolution import Addresses, Resolution
from proxycore.routing.router import Router, Step
from proxycore.stream import NULL_STREAM, PacketStream, Stream


class Resolving:
    """Dispatches requests again, by whoever gives them, with the addresses of their names."""

    __slots__ = ("resolution",)

    def __init__(self, resolution: Resolution) -> None:
        self.resolution = resolution

    def dispatch(self, request: Request, stream: Stream, by: Dispatcher) -> None:
        addresses = self.resolution.known(request.name)
        if addresses is None:
            waiting = _WaitingStream(stream)
            self.resolution.look_up(request.name, partial(_join, by, request, waiting))
        else:
            by.dispatch(request._replace(resolved=addresses), stream)

    def dispatch_packets(self, request: Request, packets: PacketStream, by: Dispatcher) -> None:
        addresses = self.resolution.known(request.name)
        if addresses is None:
            waiting = _WaitingPackets(packets)
            self.resolution.look_up(request.name, partial(_join_packets, by, request, waiting))
        else:
            by.dispatch_packets(request._replace(resolved=addresses), packets)


def _join(by: Dispatcher, request: Request, waiting: _WaitingStream, addresses: Addresses) -> None:
    if waiting.is_over:
        return
    client = waiting.peer
    waiting.release(partial(by.dispatch, request._replace(resolved=addresses)))
    if client.peer is NULL_STREAM:
        return                          # nothing could carry it
    if not client.peer.is_connecting:
        client.on_connected()           # its new peer will not say so
    client.resume()


def _join_packets(by: Dispatcher, request: Request, waiting: _WaitingPackets, addresses: Addresses) -> None:
    if not waiting.is_over:
        waiting.release(partial(by.dispatch_packets, request._replace(resolved=addresses)))


class _WaitingStream(HeldStream):
    """The peer of a client whose name is looked up. One read is kept, then it is paused."""

    __slots__ = ()

    def on_kept(self) -> None:
        self.peer.pause()

    def on_complete(self) -> None:
        pass

    def on_left(self) -> None:
        pass

    @property
    def is_connecting(self) -> bool:
        return not self.is_over


class _WaitingPackets(HeldPackets):
    __slots__ = ()

    def on_kept(self) -> None:
        pass

    def on_left(self) -> None:
        pass


async def explain(router: Router, resolution: Resolution, request: Request) -> list[Step]:
    """`router.explain`, after the addresses have been looked up if they are needed."""
    if router.wants_addresses(request):
        addresses = resolution.known(request.name)
        if addresses is None:
            addresses = await resolution.addresses(request.name)
        request = request._replace(resolved=addresses)
    return router.explain(request)
