"""Outbounds with a web server behind them, whose answers come when the test's clock says so."""

from __future__ import annotations

from proxycore.destination import Request
from proxycore.errors import DialError
from proxycore.net.wheel import Wheel
from proxycore.observatory.observer import Surroundings
from proxycore.observatory.probe_url import parse_probe_url
from proxycore.protocols.base import Outbound
from proxycore.stream import NULL_STREAM, Stream
from tests.support.loop import ManualLoop
from tests.support.streams import RecordingStream

URL = parse_probe_url("http://probe.example/204?x")
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
UNIX_S = 1_700_000_000.0


class World:
    """A loop, and outbounds by tag."""

    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.outbounds: dict[str, Outbound] = {}
        self.direct = Web(self, "direct")

    @property
    def around(self) -> Surroundings:
        return Surroundings(
            self.outbounds, self.loop, Wheel(), self.direct.dial, lambda: UNIX_S + self.loop.time())  # type: ignore[arg-type]

    def web(self, tag: str, delay_s: float = 0.0) -> Web:
        """One more outbound, which answers after `delay_s`."""
        web = Web(self, tag, delay_s)
        self.outbounds[tag] = web
        return web


class Web(Outbound):
    """`delay_s` None: it never answers. `refuses`: it cannot connect."""

    def __init__(self, world: World, tag: str, delay_s: float | None = 0.0) -> None:
        self.tag = tag
        self.delay_s = delay_s
        self.answer = NO_CONTENT
        self.refuses = False
        self.requests: list[Request] = []
        self.asked_at: list[float] = []
        self.servers: list[RecordingStream] = []
        self._loop = world.loop

    @property
    def running(self) -> int:
        return sum(1 for server in self.servers if not server.ended)

    def open(self, request: Request, stream: Stream) -> None:
        self.requests.append(request)
        self.asked_at.append(self._loop.time())
        if self.refuses:
            stream.peer = NULL_STREAM
            stream.abort(DialError(str(request.destination), "refused"))
            return
        server = RecordingStream()
        server.peer, stream.peer = stream, server
        self.servers.append(server)
        if self.delay_s is not None:
            self._loop.call_later(self.delay_s, self._give, server)

    def dial(self, destination: object) -> Stream:
        """The same as a direct connection."""
        server = RecordingStream()
        self.requests.append(Request(destination, ""))  # type: ignore[arg-type]
        self.servers.append(server)
        if self.refuses:
            self._loop.call_soon(lambda: server.peer.abort(DialError(str(destination), "refused")))
        elif self.delay_s is not None:
            self._loop.call_later(self.delay_s, self._give, server)
        return server

    def _give(self, server: RecordingStream) -> None:
        if not server.ended:
            server.peer.write(self.answer)
