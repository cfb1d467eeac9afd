"""A client layer and a server layer on two ends of a wire, with a RecordingStream above each."""

from __future__ import annotations

from proxycore.destination import Destination, HostPort
from proxycore.net.wheel import Wheel
from proxycore.stream import Stream
from proxycore.transport.base import ClientLayer, ServerLayer
from tests.proxycore.transport.wires import Wire
from tests.support.streams import RecordingStream

SOURCE: HostPort = ("192.0.2.1", 1000)
LOCAL: HostPort = ("192.0.2.2", 443)
DESTINATION = Destination("tcp", "www.example.org", 443)


class Served:
    """What a server layer accepted: `upper` is None until it is ready."""

    def __init__(self) -> None:
        self.far = RecordingStream()
        self.upper: Stream | None = None
        self.source: HostPort | None = None

    def take(self, upper: Stream, source: HostPort, local: HostPort) -> None:
        assert self.upper is None, "handed on twice"
        self.upper, self.source = upper, source
        upper.peer, self.far.peer = self.far, upper


class Joined:
    def __init__(self, client: ClientLayer, server: ServerLayer, step: int = 0) -> None:
        self.wire = Wire(step)
        self.served = Served()
        server.accept(self.wire.server, SOURCE, LOCAL, self.served.take)
        self.near = RecordingStream()
        self.upper = client.wrap(self.wire.client, DESTINATION)
        self.upper.peer, self.near.peer = self.near, self.upper

    @property
    def far(self) -> RecordingStream:
        return self.served.far

    def pump(self) -> None:
        self.wire.pump()


def accepted(server: ServerLayer) -> tuple[Wire, Served, RecordingStream]:
    """A server layer without a client layer: what is written to the wire's client end reaches it."""
    wire, served, raw = Wire(), Served(), RecordingStream()
    wire.client.peer = raw
    server.accept(wire.server, SOURCE, LOCAL, served.take)
    return wire, served, raw


def wheel_of(seconds: int, wheel: Wheel) -> None:
    for _ in range(seconds):
        wheel.turn()
