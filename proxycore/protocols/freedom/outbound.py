"""The dialling side. One attempt per address, and a refused one is told at once (the cores try for a second)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from random import SystemRandom

from proxycore.destination import Destination, HostPort, IPAddress, Network, Request, ip_text
from proxycore.errors import Blocked
from proxycore.net.resolve import Resolve
from proxycore.protocols.base import Outbound, OutboundContext, Strategy
from proxycore.protocols.freedom.codec_fragment import Fragmenter
from proxycore.protocols.freedom.final_rules import FinalRule, FinalRules, final_rules_of
from proxycore.protocols.freedom.opening import Opening, Swallowed
from proxycore.protocols.freedom.packets import Noisy, Redirected, Ruled, SwallowedPackets
from proxycore.protocols.freedom.settings import FreedomSettings
from proxycore.stream import PacketStream, Stream
from proxycore.transport.proxy_protocol_codec import encode_header

DNS_PORT = 53
"""A redirect to it gets no noise."""


class FreedomOutbound(Outbound):
    def __init__(self, settings: FreedomSettings, context: OutboundContext) -> None:
        self.tag = context.tag
        self._context = context
        self._strategy = Strategy(settings.strategy)
        self._redirect = settings.redirect_target      # (host or None, port or None), or None
        self._fragment = settings.fragment
        self._noises = () if self._redirect is not None and self._redirect[1] == DNS_PORT else settings.noises
        self._version = settings.proxy_protocol        # of the PROXY header; 0: none
        self._rules = None if settings.final_rules is None else final_rules_of(settings.final_rules)
        self._rules_by_kind: dict[str, FinalRules] = {}
        self._is_plain = self._fragment is None and not self._version and self._rules is None
        self.is_metered = context.dials_plainly and self._is_plain and not self._noises and self._redirect is None
        self._pick = SystemRandom().randint

    def open(self, request: Request, stream: Stream) -> None:
        context = self._context
        target = self._target(request.destination)
        if self._is_plain:
            out = context.dial(target, self._strategy)
            out.peer, stream.peer = stream, out
            return
        resolve = None
        rules = self._rules_for(request)
        if rules is not None:
            blocker = self._blocker(rules, target)
            if blocker is not None:
                self._tell_blocked(request)
                self._swallow(stream, blocker.delay_s)
                return
            resolve = self._guarded(rules, target)
        # Only where it is needed, which is where a layer below must know of it.
        out = context.dial(target, self._strategy) if resolve is None else context.dial(target, self._strategy, resolve=resolve)
        if self._fragment is None and not self._version and resolve is None:
            out.peer, stream.peer = stream, out
            return
        assert context.loop is not None
        opening = Opening(
            out, context.loop,
            header=partial(self._header, request.source, target, out) if self._version else None,
            fragmenter=Fragmenter(self._fragment, self._pick) if self._fragment is not None else None,
            on_blocked=self._swallow)
        opening.peer, stream.peer = stream, opening

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        context = self._context
        target = self._target(request.destination)
        rules = self._rules_for(request)
        resolve = None
        if rules is not None:
            blocker = self._blocker(rules, target)
            if blocker is not None:
                self._tell_blocked(request)
                SwallowedPackets(packets, context.wheel, self._pick(*blocker.delay_s))
                return
            resolve = self._guarded(rules, target)
        redirect = self._redirect is not None
        if resolve is None:
            out = context.open_udp(target, self._strategy, hides_source=redirect)
        else:
            out = context.open_udp(target, self._strategy, hides_source=redirect, resolve=resolve)
        if rules is not None:
            out = Ruled(out, rules, target.port)
        if redirect:
            out = Redirected(out)
        if self._noises:
            assert context.loop is not None
            out = Noisy(out, context.loop, target, self._noises, self._pick, os.urandom, partial(self._find, resolve))
        out.peer, packets.peer = packets, out

    def _target(self, destination: Destination) -> Destination:
        if self._redirect is None:
            return destination
        host, port = self._redirect
        return Destination(
            destination.network,
            destination.host if host is None else host,
            destination.port if port is None else port,
        )

    def _header(self, source: HostPort | None, target: Destination, out: Stream) -> bytes:
        reached: HostPort | None = getattr(out, "remote_address", None)
        if reached is None and not isinstance(target.host, str):
            reached = ip_text(target.host), target.port
        return encode_header(self._version, source, reached)

    # final rules

    def _rules_for(self, request: Request) -> FinalRules | None:
        if self._rules is None:
            return None
        kind = self._context.inbound_kinds.get(request.inbound_tag, "")
        found = self._rules_by_kind.get(kind)
        if found is None:
            found = self._rules_by_kind[kind] = FinalRules(self._rules, kind)       # bounded: there are few kinds
        return found

    def _blocker(self, rules: FinalRules, target: Destination) -> FinalRule | None:
        """The rule that forbids an address; a name is judged when it is resolved."""
        return None if isinstance(target.host, str) else rules.blocks(target.network, target.host, target.port)

    def _guarded(self, rules: FinalRules, target: Destination) -> Resolve | None:
        """What resolves names to such addresses only that are allowed; None: any is."""
        if not rules.need_address(target.network):
            return None
        return partial(_resolve_allowed, self._context.resolve, rules, target.network, target.port)

    def _tell_blocked(self, request: Request) -> None:
        if self._context.on_blocked is not None:
            self._context.on_blocked(self.tag, request)

    def _swallow(self, stream: Stream, hold_s: tuple[int, int]) -> None:
        Swallowed(stream, self._context.wheel, self._pick(*hold_s))
        stream.resume()

    async def _find(self, resolve: Resolve | None, host: str) -> IPAddress:
        """The address that datagrams to `host` go to, as to its family. Raises DialError."""
        found = await (resolve or self._context.resolve)(host, self._strategy)
        if self._strategy is Strategy.AS_IS:
            return next((ip for ip in found if ip.version == 4), found[0])
        return found[0]


async def _resolve_allowed(
    resolve: Resolve, rules: FinalRules, network: Network, port: int, host: str, strategy: Strategy = Strategy.AS_IS,
) -> Sequence[IPAddress]:
    """Raises DialError; Blocked, none of the addresses is allowed."""
    found = await resolve(host, strategy)
    blockers = [rules.blocks(network, ip, port) for ip in found]
    if blockers[0] is not None and None not in blockers:
        raise Blocked(host, "the final rules allow none of its addresses", blockers[0].delay_s)
    return [ip for ip, blocker in zip(found, blockers, strict=True) if blocker is None]
