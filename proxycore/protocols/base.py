"""The contract between a protocol's folder and the rest: what a protocol provides, and what it is given.

A protocol never opens a listening socket and never resolves a name. It is given streams that were accepted
(`Inbound.accept`) or a `dial` that returns one; transports and security are below it, routing is beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, Self

from pydantic import BaseModel, ConfigDict

from proxycore.destination import Destination, HostPort, Network, Request
from proxycore.dns.answer import Answer, Families
from proxycore.net.failure_log import OnFailure
from proxycore.net.poller import Loop
from proxycore.net.resolve import Resolve, Strategy, resolve
from proxycore.net.wheel import Wheel
from proxycore.policy import Policy
from proxycore.stream import PacketStream, Stream


class Settings(BaseModel):
    """Base of every settings model. Keys that a model does not know are kept, and reported by the document reader."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, frozen=True, defer_build=True)

    def __deepcopy__(self, memo: object = None) -> Self:
        """Nobody changes it: the default of a field can be the same one everywhere."""
        return self

    def provides_outbound_tags(self) -> Sequence[str]:
        """Tags that rules may send to besides those of outbounds and portals: of tunnels that this inbound's clients open."""
        return ()

    def provides_inbound_tags(self) -> Sequence[str]:
        """Tags that rules may see besides those of inbounds and bridges: of a tunnel that this outbound keeps open."""
        return ()

    def prepare(self) -> None:
        """Do beforehand what costs much when these settings are built: it may be called in another thread."""

    @property
    def policy_level(self) -> int:
        """Level of connections before a user is known, or without one; of an outbound: of those that it makes."""
        return int(getattr(self, "user_level", 0))

    def cautions(self) -> Sequence[str]:
        """What is allowed but hardly meant, each in one sentence; the document reader warns of it."""
        return ()


class Dispatcher(Protocol):
    """Routes a request and joins its stream to the outbound that was chosen. Returns at once and never raises."""

    def dispatch(self, request: Request, stream: Stream) -> None:
        """Join `stream`. Its `peer` is set on return; where nothing can carry it, it is aborted."""

    def dispatch_packets(self, request: Request, packets: PacketStream) -> None:
        """The same for a flow of datagrams."""


class Dial(Protocol):
    """Makes an outgoing TCP stream."""

    def __call__(
        self, destination: Destination, strategy: Strategy = Strategy.AS_IS, *, resolve: Resolve | None = None
    ) -> Stream:
        """A stream that is still connecting: writes are kept (bounded) until it has; if it cannot, its peer is
        aborted with DialError. Set its `peer` before returning to the loop. `resolve` is asked in place of the usual
        resolver; what it does not give is not dialled."""


class OpenUdp(Protocol):
    """Makes an outgoing flow of datagrams."""

    def __call__(
        self, default: Destination, strategy: Strategy = Strategy.AS_IS, *, hides_source: bool = False,
        resolve: Resolve | None = None,
    ) -> PacketStream:
        """Datagrams without an address go to `default`. With `hides_source` answers come without theirs. `resolve` as in
        Dial."""


class JoinTunnel(Protocol):
    """Makes a stream a carrier of the tunnel with this tag, one that the settings provide (`provides_outbound_tags`)."""

    def __call__(self, tag: str, request: Request, stream: Stream) -> None:
        """`request` says who opened it. The stream's `peer` is set on return; if it is not taken, it is aborted."""


class KeepTunnel(Protocol):
    """Keeps carriers of a reverse tunnel open, for as long as the instance runs."""

    def __call__(self, origin: Request, open_carrier: Callable[[Stream], None]) -> None:
        """`open_carrier` makes the connection and sets the `peer` of the carrier that it is given. What comes through is
        dispatched as `origin` (inbound tag, user, level) with its own destination and addresses."""


class Names(Protocol):
    """The built-in DNS."""

    async def lookup(self, host: str, families: Families) -> Answer:
        """Raises: ProxyError, the servers cannot tell."""

    def is_own(self, request: Request) -> bool:
        """Whether this is a question of its own to a server, on its way."""


@dataclass(frozen=True, slots=True)
class InboundContext:
    """What an inbound is built with. `path` is its place in the document (`inbounds[0]`), for errors."""

    tag: str
    path: str
    dispatcher: Dispatcher
    wheel: Wheel
    now: Callable[[], float]            # Unix time, seconds
    port: int = 0                       # the (first) listening port
    join_tunnel: JoinTunnel | None = None
    dial: Dial | None = None            # for inbounds that hand connections on by themselves
    dial_unix: Callable[[str], Stream] | None = None    # the same, to a unix socket (its path, or `@name`)
    ports: Sequence[tuple[int, int]] = ()   # all that is listened on: first and last of each range
    policy: Policy = field(default_factory=Policy)
    memory: dict[type, object] = field(default_factory=dict)
    """What outlives inbounds: shared by all of the instance, under the class of what is remembered."""
    on_failure: OnFailure | None = None     # told of each handshake that fails


@dataclass(frozen=True, slots=True)
class OutboundContext:
    """What an outbound is built with. `path` is its place in the document (`outbounds[0]`), for errors."""

    tag: str
    path: str
    dial: Dial
    open_udp: OpenUdp
    wheel: Wheel
    now: Callable[[], float]
    keep_tunnel: KeepTunnel | None = None
    dispatcher: Dispatcher | None = None    # for outbounds that route again
    names: Names | None = None              # for outbounds that answer questions about names
    loop: Loop | None = None            # for those that wait less than the wheel's steps
    resolve: Resolve = resolve          # for those that look at addresses themselves
    inbound_kinds: Mapping[str, str] = field(default_factory=dict)
    """By inbound tag: the protocol that a request came by, "vless-reverse" for VLESS's own tunnel."""
    dials_plainly: bool = False             # what `dial` returns is the socket itself
    on_blocked: Callable[[str, Request], None] | None = None   # told of each request that is refused as its settings say


class Inbound:
    """The accepting side of one configured inbound."""

    networks: frozenset[Network] = frozenset({"tcp"})

    def accept(self, stream: Stream, source: HostPort, local: HostPort) -> None:
        """Take over an accepted stream: set its `peer` before returning."""
        raise NotImplementedError

    def accept_packets(self, packets: PacketStream, source: HostPort, local: HostPort) -> None:
        """Take over the flow of datagrams of one client address."""
        raise NotImplementedError

    def admits(self, owner: Hashable) -> bool:
        """Whether a connection that was claimed by `owner`, a credential, would be let in now as well."""
        return True

    def take_over(self, old: Inbound) -> None:
        """This one takes the place of `old`, one of the same class with other settings: go on with what it remembers of its
        clients, and let those that are still saying to `old` who they are be judged by the settings of now.
        """

    def close(self) -> None:
        """No more will be accepted; what runs goes on."""


class Outbound:
    """The dialling side of one configured outbound, portal or balancer."""

    tag: str

    is_metered: bool = False
    """The peers that it gives to streams and flows count the payload and take `charge`; else somebody counts before it."""

    def open(self, request: Request, stream: Stream) -> None:
        """Carry `stream`: set both `peer`s before returning. Failure is told by `stream.abort(error)`, never raised."""
        raise NotImplementedError

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        """The same for a flow of datagrams."""
        raise NotImplementedError

    def is_usable(self) -> bool:
        """Whether it could carry something just now, as far as it knows: a balancer passes over what could not."""
        return True

    def close(self) -> None:
        """Nothing new will be opened; what runs goes on."""


class Wrapping(Outbound):
    """Stands before `inner`, and does as that does where it says nothing else."""

    def __init__(self, inner: Outbound) -> None:
        self.tag = inner.tag
        self.is_metered = inner.is_metered
        self._inner = inner

    def is_usable(self) -> bool:
        return self._inner.is_usable()

    def close(self) -> None:
        self._inner.close()


@dataclass(frozen=True, slots=True)
class InboundSide:
    settings: type[Settings]
    build: Callable[[Any, InboundContext], Inbound]


@dataclass(frozen=True, slots=True)
class OutboundSide:
    settings: type[Settings]
    build: Callable[[Any, OutboundContext], Outbound]


@dataclass(frozen=True)
class ProtocolSpec:
    """One protocol. `name` is how we write it; `aliases` are the other names that cores use for it.

    A side is imported when it is first asked for (`load_inbound`, `load_outbound`), so that a process starts with the code of
    those protocols alone that its document names.
    """

    name: str
    title: str
    is_carrier: bool = False            # its connections lead from core to core, and may carry many sessions
    aliases: Sequence[str] = ()
    load_inbound: Callable[[], InboundSide] | None = None
    load_outbound: Callable[[], OutboundSide] | None = None

    @cached_property
    def inbound(self) -> InboundSide | None:
        return None if self.load_inbound is None else self.load_inbound()

    @cached_property
    def outbound(self) -> OutboundSide | None:
        return None if self.load_outbound is None else self.load_outbound()


__all__ = [
    "Dial", "Dispatcher", "Inbound", "InboundContext", "InboundSide", "JoinTunnel", "KeepTunnel", "Names", "OpenUdp", "Outbound",
    "OutboundContext", "OutboundSide", "ProtocolSpec", "Settings", "Strategy", "Wrapping",
]  # fmt: skip
