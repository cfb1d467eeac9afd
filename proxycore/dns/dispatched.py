"""Connections to servers that go through the routing, as a client's would."""

from __future__ import annotations

from collections.abc import Callable

from proxycore.destination import Destination, Request
from proxycore.net.resolve import Resolve, Strategy
from proxycore.protocols.base import Dispatcher
from proxycore.stream import Stream
from proxycore.transport.chain import JointFace


class DispatchedDial:
    """Dials by dispatching, with this inbound tag."""

    __slots__ = ("_call_soon", "_dispatcher", "_tag")

    def __init__(self, dispatcher: Dispatcher, tag: str, call_soon: Callable[..., object]) -> None:
        self._dispatcher = dispatcher
        self._tag = tag
        self._call_soon = call_soon

    def __call__(
        self, destination: Destination, strategy: Strategy = Strategy.AS_IS, *, resolve: Resolve | None = None
    ) -> Stream:
        """A name is left to the outbound that is chosen, whatever the strategy and `resolve`."""
        near, far = JointFace(), JointFace()
        near.other, far.other = far, near
        far.call_soon = self._call_soon         # until `near` has a peer that can be told
        self._dispatcher.dispatch(Request(destination, self._tag, keeps_name=True), far)
        far.call_soon = None
        return near
