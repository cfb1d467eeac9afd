"""Stands before the router for inbounds that sniff: each request waits for its first bytes, a fifth of a second at most.

A client that waits to be told of success before it sends anything (SOCKS, HTTP CONNECT) is told at once, as in the cores: there
would be nothing to look at otherwise. That its destination cannot be reached it then learns by the end of its connection.
"""

from __future__ import annotations

from functools import partial

from proxycore.destination import Request
from proxycore.held import HeldPackets, HeldStream
from proxycore.net.poller import Loop
from proxycore.protocols.base import Dispatcher
from proxycore.sniff.overridden import OverriddenPackets
from proxycore.sniff.policy import SniffPolicy
from proxycore.sniff.sniffer import PacketSniffer, StreamSniffer
from proxycore.sniff.verdict import MORE, Sniffed, Verdict
from proxycore.stream import PacketStream, Stream

SNIFF_S = 0.2
"""How long first bytes are waited for, and more of them; then the request is routed as it is."""


class SniffingDispatcher:
    """Hands every request on to `inner`, with what was found in its first bytes."""

    def __init__(self, inner: Dispatcher, policy: SniffPolicy, loop: Loop) -> None:
        self.inner = inner
        self.policy = policy
        self.loop = loop

    def dispatch(self, request: Request, stream: Stream) -> None:
        if request.protocol:            # its inbound has read it (a plain request of an HTTP proxy)
            self.inner.dispatch(request, stream)
        else:
            _SniffingStream(self, request, stream)

    def dispatch_packets(self, request: Request, packets: PacketStream) -> None:
        _SniffingPackets(self, request, packets)


class _SniffingStream(HeldStream):
    """The peer of a client until it is known what it speaks."""

    __slots__ = ("_dispatcher", "_request", "_sniffer", "_timer")

    def __init__(self, dispatcher: SniffingDispatcher, request: Request, client: Stream) -> None:
        super().__init__(client)
        self._dispatcher = dispatcher
        self._request = request
        self._sniffer = StreamSniffer()
        self._timer = dispatcher.loop.call_later(SNIFF_S, self.on_complete)

    def on_kept(self) -> None:
        verdict = self._sniffer.look(self.kept)
        if verdict is not MORE:
            self._decide(verdict)

    def on_complete(self) -> None:
        if not self.is_over:
            self._decide(MORE)

    def on_left(self) -> None:
        self._timer.cancel()

    def _decide(self, verdict: Verdict) -> None:
        self._timer.cancel()
        dispatcher, request = self._dispatcher, self._request
        if isinstance(verdict, Sniffed):
            request = dispatcher.policy.apply(request, verdict)
        self.release(partial(dispatcher.inner.dispatch, request))


class _SniffingPackets(HeldPackets):
    """The same for a flow of datagrams."""

    __slots__ = ("_dispatcher", "_request", "_sniffer", "_timer")

    def __init__(self, dispatcher: SniffingDispatcher, request: Request, client: PacketStream) -> None:
        super().__init__(client)
        self._dispatcher = dispatcher
        self._request = request
        self._sniffer = PacketSniffer()
        self._timer = dispatcher.loop.call_later(SNIFF_S, self._on_time)

    def on_kept(self) -> None:
        verdict = self._sniffer.feed(self.kept.last[0])
        if verdict is not MORE:
            self._decide(verdict)

    def on_left(self) -> None:
        self._timer.cancel()

    def _on_time(self) -> None:
        if not self.is_over:
            self._decide(MORE)

    def _decide(self, verdict: Verdict) -> None:
        self._timer.cancel()
        dispatcher, request = self._dispatcher, self._request
        if isinstance(verdict, Sniffed):
            request = dispatcher.policy.apply(request, verdict)
        self.release(partial(self._dispatch, request))

    def _dispatch(self, request: Request, client: PacketStream) -> None:
        original = self._request.destination
        if request.destination == original:
            self._dispatcher.inner.dispatch_packets(request, client)
        else:
            self._dispatcher.inner.dispatch_packets(request, OverriddenPackets(client, original))
