"""What stays while documents come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from proxycore.blocks import Blocks
from proxycore.destination import Destination, IPAddress, Request
from proxycore.dispatcher import InboundDispatcher, RoutingDispatcher
from proxycore.dns.answer import Answer, Families
from proxycore.errors import Blocked, DialError, LinkDown
from proxycore.logs import AccessLog, SilentAccessLog
from proxycore.messages.events import Refusal
from proxycore.net.limits import Limits
from proxycore.net.poller import Poller
from proxycore.net.resolve import Resolve, Strategy, resolve
from proxycore.net.socket_stream import Census
from proxycore.net.udp import DatagramOptions, UdpListener, UdpSocket
from proxycore.net.wheel import Wheel
from proxycore.news import News
from proxycore.policy import Policy
from proxycore.protocols.base import Names, Outbound
from proxycore.resolving import Resolving
from proxycore.reverse.paused import Paused
from proxycore.routing.resolution import Resolution
from proxycore.routing.router import Router
from proxycore.running.listen_key import ListenKey
from proxycore.stats import Account, Stats
from proxycore.stream import NULL_STREAM, PacketStream, Stream

if TYPE_CHECKING:
    from proxycore.reverse.portal import Portal


class Leaving(Protocol):
    """What was removed, and still has something that runs."""

    @property
    def is_gone(self) -> bool:
        """Nothing of it runs any more."""

    def stop(self) -> None:
        """End it now. May be called twice."""


class NamesOfNow(Names, Protocol):
    """How names become addresses."""

    async def resolve(self, host: str, strategy: Strategy = Strategy.AS_IS) -> Sequence[IPAddress]: ...


class Ground:
    """Parts hold on to this, so what it refers to can be swapped without telling them: how names are looked up, where
    `dispatcher` sends requests, the `outbounds` of now, and the `tunnels` that clients may open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.poller = Poller(loop)
        self.wheel = Wheel(loop)
        self.clients = Census()             # sockets to targets, and those that no inbound accounts for
        self.carriers = Census()            # the same between cores
        self.client_censuses = [self.clients]
        self.access: AccessLog = SilentAccessLog()
        self.logs_dns = False
        self.policy = Policy()
        self.stats = Stats()
        self.news = News(self.wheel)
        self.blocks = Blocks(self.wheel, self.news)
        self.paused = Paused()
        self._names: NamesOfNow | None = None
        self.outbounds: dict[str, Outbound] = {}        # those of now, by tag
        self.resolution = Resolution(self.resolve, loop.time)       # of names that rules want addresses of
        resolving = Resolving(self.resolution)
        self.dispatcher = RoutingDispatcher(
            Router.compile((), None), self.outbounds, self.access, self.stats, resolving, self.news, self.blocks)
        self.inbound_dispatcher = InboundDispatcher(self.dispatcher, self.poller, self.wheel, self.policy)
        self.tunnels: Mapping[str, Portal] = {}
        self.inbound_kinds: dict[str, str] = {}         # those of now, by inbound tag
        self.memory: dict[type, object] = {}            # what inbounds remember for those after them
        self.leaving: list[Leaving] = []
        self.fading: dict[ListenKey, UdpListener] = {}       # removed, with flows that go on; by what they are bound to

    def resolve(self, host: str, strategy: Strategy = Strategy.AS_IS) -> Awaitable[Sequence[IPAddress]]:
        """What dials look names up by. Raises: DialError."""
        return (resolve if self._names is None else self._names.resolve)(host, strategy)

    async def lookup(self, host: str, families: Families) -> Answer:
        """What the built-in DNS answers. Raises: ProxyError."""
        if self._names is None:
            raise DialError(host, "nothing runs yet")
        return await self._names.lookup(host, families)

    def is_own(self, request: Request) -> bool:
        """Whether this is a question of the built-in DNS to one of its servers."""
        return self._names is not None and self._names.is_own(request)

    def set_names(self, names: NamesOfNow) -> None:
        """Ask `names` from now on."""
        self._names = names
        self.resolution.forget()

    def route(self, router: Router, outbounds: Mapping[str, Outbound], tunnels: Mapping[str, Portal]) -> None:
        """Send requests that come from now on where `router` says."""
        self.dispatcher.router = router
        self.outbounds.clear()
        self.outbounds.update(outbounds)
        self.tunnels = tunnels

    def set_inbound_kinds(self, kinds: Mapping[str, str]) -> None:
        """Requests that come from now on came by inbounds of these kinds."""
        self.inbound_kinds.clear()
        self.inbound_kinds.update(kinds)

    def count_clients(self, accepted: Sequence[Census]) -> None:
        """`accepted` are the connections of clients by inbound; those of removed inbounds count while there are any."""
        now = [self.clients, *accepted]
        self.client_censuses = [*now, *(one for one in self.client_censuses if one.open and one not in now)]

    def set_logs_dns(self, *, logs_dns: bool) -> None:
        """Whether the access log has what name servers answer."""
        self.logs_dns = logs_dns

    def set_access_log(self, access: AccessLog) -> None:
        """Write accesses to `access` from now on; the log of before is closed."""
        before, self.access = self.access, access
        self.dispatcher.access = access
        before.close()

    def tell_answered(
        self, server: str, status: str, name: str, addresses: Sequence[IPAddress], elapsed_ms: float = 0, error: str = ""
    ) -> None:
        """A name server answered, or did not."""
        if self.logs_dns:
            self.access.answered(server, status, name, addresses, elapsed_ms, error)

    def join_tunnel(self, tag: str, request: Request, stream: Stream) -> None:
        """Make `stream` a carrier of the tunnel `tag`."""
        tunnel = self.tunnels.get(tag)
        if tunnel is None:              # its inbound was replaced while this connection was still saying who it is
            stream.peer = NULL_STREAM
            stream.abort(LinkDown("the tunnel is gone"))
        else:
            tunnel.register(request, stream)
            if request.user:
                source = request.source
                stream.peer.charge(self.stats.user(request.user, request.level), source[0] if source is not None else "")

    def tell_unreached(self, tag: str, stream: Stream, destination: Destination, error: DialError) -> None:
        """The outbound `tag` cannot reach the target of a connection."""
        request = getattr(stream.peer, "request", None)     # of a session
        source = request.source if isinstance(request, Request) else None
        if isinstance(error, Blocked):
            self.news.refused(Refusal.BLOCKED, tag, source, str(error))
        elif not destination.port:
            text = f"a carrier for {destination.host}: no portal here has this domain"
            self.news.refused(Refusal.WRONG_DOMAIN, tag, source, text)
        else:
            self.news.refused(Refusal.TARGET_REFUSED, tag, source, f"{destination}: {error.reason}")

    def tell_blocked(self, tag: str, request: Request) -> None:
        """The outbound `tag` refuses what it is given."""
        self.news.refused(Refusal.BLOCKED, tag, request.source, f"{tag} does not let through what goes to {request.destination}")

    def open_udp(
        self, limits: Limits, account: Account, options: DatagramOptions | None, default: Destination,
        strategy: Strategy = Strategy.AS_IS, *,
        hides_source: bool = False, resolve: Resolve | None = None,
    ) -> PacketStream:
        """An outgoing flow of datagrams."""
        return UdpSocket(
            self.loop, self.wheel, default, strategy, hides_source=hides_source, resolve=resolve or self.resolve,
            limits=limits, account=account, options=options)

    def leave(self, *parts: Leaving) -> None:
        """Remember `parts`, which were removed, until they are gone."""
        self.leaving = [part for part in (*self.leaving, *parts) if not part.is_gone]

    def forget_faded(self, wanted: Container[ListenKey]) -> None:
        """Forget what has faded away, and what is wanted again."""
        self.fading = {key: one for key, one in self.fading.items() if not one.is_gone and key not in wanted}

    def stop(self) -> None:
        for part in self.leaving:
            part.stop()
        for listener in self.fading.values():
            listener.close()
        for census in (*self.client_censuses, self.carriers):
            census.end_all()
        self.wheel.stop()
        self.poller.close()
        self.access.close()
