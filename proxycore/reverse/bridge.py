"""The bridge: keeps carriers to the portal open through the router, and dispatches the sessions that come back.

Source: Xray-core app/reverse/bridge.go. Where this differs: it reconnects at once and then with back-off and
jitter (the cores: every 2 s for ever), understands the control session in every dialect, and replaces a
draining carrier at once rather than at the next tick.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from proxycore.destination import Destination, Request
from proxycore.errors import LinkDown, PeerError
from proxycore.messages.events import Kind, Refusal
from proxycore.mux.carrier import V2RAY_PACKET_BYTES, XRAY_PACKET_BYTES, Carrier
from proxycore.mux.extension import INITIAL_WINDOW_BYTES, MAX_PACKET_BYTES
from proxycore.mux.extension import Extension as CarrierExtension
from proxycore.mux.server import MuxServer
from proxycore.mux.session import MuxPacketSession, MuxSession
from proxycore.net.limits import CARRIER_LIMITS
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel
from proxycore.news import News
from proxycore.policy import Policy
from proxycore.protocols.base import Dispatcher
from proxycore.reverse import control, dialect
from proxycore.reverse.extension_codec import VERSION, Extension, decode_extension, encode_extension
from proxycore.reverse.health import Health
from proxycore.reverse.paused import Paused
from proxycore.reverse.stalls import STALL_S, Stalls
from proxycore.stats import Account
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, NullStream, PacketStream, Stream

TICK_S = 2.0
"""The load is looked at this often."""

SESSIONS_PER_CARRIER = 16
"""Another carrier is opened when the average, control sessions included and rounded down, is above this."""

MAX_CARRIERS = 256
"""Carriers that one bridge keeps open."""

RETRY_FIRST_S, RETRY_MOST_S, RETRY_GROWTH, RETRY_JITTER = 0.25, 4.0, 2.0, 0.3
"""Pauses between attempts: at once, then from the first to the most, each changed by up to the jitter's share."""

FREE_CARRIERS = 8
"""While a portal of another core does not read a carrier, so many are kept that it reads. V2Ray's gives a new session to the
carrier with the fewest, of equal ones to the oldest: beside few others that is now and then the one that stands still."""

MAX_HELD_UP = 16
"""With more carriers than that standing still no others are opened for it."""

UP_WITHIN_S = 3.0
"""An attempt that has led to nothing by then is no reason to wait: another is made beside it, at most MAX_ATTEMPTS at once."""

MAX_ATTEMPTS = 4

SOON_S, SOON_MOST_S = 20.0, 1.0
"""For so long after a carrier was lost, no pause before a portal that cannot be reached is longer than the second: it may be
starting, or the network changing."""

STEADY_S = 2.0
"""A carrier that lived shorter does not end the back-off: a portal that greets and hangs up would be dialled without pause."""

WATCHDOG_S = 60.0
"""A carrier whose control session was heard once and then not for one to two periods is closed (Xray from 25.9.10)."""

DRAINED_S = 24 * 3600.0
"""A drained carrier is closed with what still runs on it after one to two periods."""

OpenCarrier = Callable[[Stream], None]
"""Makes a connection and sets the `peer` of the carrier that it is given, or aborts it."""

_log = logging.getLogger("xrev.bridge")


class _Control(PacketStream):
    """The bridge's end of a control session: it listens, and says nothing but that it takes the portal's offer."""

    __slots__ = ("_link",)

    def __init__(self, link: BridgeLink, session: MuxPacketSession) -> None:
        self._link = link
        self.peer = session

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        answer = self._link.on_control(data)
        if answer and isinstance(self.peer, MuxPacketSession):
            self.peer.write_control(answer)

    def close(self) -> None:
        pass            # the portal ended it: that follows a DRAIN, which said it all


class _ControlStream(NullStream):
    """The same where the portal opened the control session as a stream; no known core does."""

    __slots__ = ("_link",)

    def __init__(self, link: BridgeLink) -> None:
        self._link = link

    def write(self, data: Buffer) -> None:
        self._link.on_control(data)


class BridgeLink:
    """One carrier of a bridge."""

    __slots__ = (
        "_bridge", "_heard", "_held_up_at", "carrier", "dialect", "health", "is_active", "is_outdated", "opened_at",
        "opened_before", "wheel_slot")

    def __init__(self, bridge: Bridge, loop: Loop, wheel: Wheel) -> None:
        self._bridge = bridge
        self._heard = 0             # control messages since the watchdog last looked
        self.carrier = MuxServer(
            loop, wheel, self._accept_stream, self._accept_packets, reads_addresses=bridge.reads_addresses)
        self.carrier.on_ended = self._on_ended
        self.opened_at = loop.time()
        self.dialect = ""           # as the portal addressed the control session; "" until then
        self.is_active = True       # from the moment it is made, as in the cores
        self.is_outdated = False    # the bridge's carriers are made another way now
        self.opened_before = 0      # sessions ever opened, when the last tick looked at it
        self.health = Health(self.carrier, self._on_health, is_dialled=True)
        self._held_up_at: float | None = None       # loop time, s: since when it was, when that was last seen
        bridge.stalls.watch(self.carrier, self._on_held_up)
        self.wheel_slot = -1

    @property
    def is_up(self) -> bool:
        """The portal has spoken on it."""
        return self.carrier.received > 0 and not self.carrier.ended

    @property
    def has_extension(self) -> bool:
        """The portal is one of ours, and we have told it that we are too."""
        return self.carrier.extension is not None

    @property
    def is_quarantined(self) -> bool:
        """The portal does not answer on it."""
        return self.health.is_quarantined

    @property
    def is_held_up(self) -> bool:
        """A slow session stops all of it, and has not let go since that was seen."""
        return self._held_up_at is not None and self._held_up_at in (self.carrier.blocked_at, self.carrier.stalled_at)

    @property
    def rtt_s(self) -> float | None:
        """There and back through the tunnel, as last measured."""
        return self.carrier.rtt_s

    @property
    def loss(self) -> float | None:
        """Share of the segments to the portal that were sent again."""
        return self.health.loss

    @property
    def is_late(self) -> bool:
        """It was dialled a while ago, and the portal has not spoken yet."""
        return not self.is_up and self.carrier.now() - self.opened_at >= UP_WITHIN_S

    def on_control(self, data: Buffer) -> bytes:
        """The portal said something; the answer, where it waits for one."""
        try:
            state = control.decode_state(data)
            offer = decode_extension(data)
        except PeerError as error:
            _log.info("bridge %s: %s", self._bridge.tag, error)
            self.carrier.fail(error)
            return b""
        self._heard += 1
        if state != control.ACTIVE and self.is_active:
            self.is_active = False
            self.carrier.wheel.watch(self, DRAINED_S)
            self._bridge.on_drained(self)
        if offer is None or offer.is_answer or self.has_extension:
            return b""
        self.carrier.extension = CarrierExtension(self.carrier, offer.nonce, offer.window, can_send=False)
        self.carrier.extension.on_understood = lambda: self._bridge.tell_lost(self)
        self.carrier.max_packet_bytes = MAX_PACKET_BYTES        # (the portal is one of ours, and takes them)
        self.health.attend()
        answer = Extension(VERSION, offer.nonce, INITIAL_WINDOW_BYTES, is_answer=True)
        return control.encode_control(control.ACTIVE, self._bridge.padding(), encode_extension(answer))

    def on_watch(self) -> float | None:
        if self.carrier.ended:
            return None
        if self._heard and self.is_active:
            self._heard = 0
            return WATCHDOG_S
        reason = "the portal sent no heartbeat" if self.is_active else "drained long ago"
        _log.info("bridge %s: carrier closed, %s", self._bridge.tag, reason)
        self.carrier.fail(LinkDown(reason))
        return None

    def _accept_stream(self, destination: Destination, session: MuxSession) -> None:
        if dialect.is_control(destination.host):
            self._control_opened(str(destination.host))
            session.peer = _ControlStream(self)
            return
        if self._bridge.is_refusing:
            session.peer = NULL_STREAM
            session.abort(LinkDown("the bridge takes no sessions"))
            return
        request = self._request(destination)
        self._bridge.took_session(session, request)
        self._bridge.dispatcher.dispatch(request, session)

    def _accept_packets(self, destination: Destination, packets: MuxPacketSession) -> None:
        if dialect.is_control(destination.host):
            self._control_opened(str(destination.host))
            packets.peer = _Control(self, packets)
            return
        if self._bridge.is_refusing:
            packets.peer = NULL_PACKETS
            packets.close()
            return
        request = self._request(destination)
        self._bridge.took_session(packets, request)
        self._bridge.dispatcher.dispatch_packets(request, packets)

    def retire(self) -> None:
        """Count on it no more; it is closed when nothing runs on it."""
        if self.is_active:
            self.is_active = False
            self.carrier.wheel.watch(self, DRAINED_S)

    @property
    def is_idle(self) -> bool:
        """No session but the portal's control session, and none was opened since this was last asked."""
        before, self.opened_before = self.opened_before, self.carrier.opened
        sessions = self.carrier.sessions.values()
        return self.carrier.opened == before and all(isinstance(one.peer, (_Control, _ControlStream)) for one in sessions)

    def _request(self, destination: Destination) -> Request:
        origin = self._bridge.origin
        source, local = self.carrier.addresses or (None, None)
        return Request(destination, origin.inbound_tag, source, local, origin.user, origin.level)

    def _control_opened(self, name: str) -> None:
        self.dialect = name.lower()
        self.carrier.max_packet_bytes = XRAY_PACKET_BYTES if self.dialect == dialect.XRAY_25_9 else V2RAY_PACKET_BYTES
        self.carrier.wheel.watch(self, WATCHDOG_S)
        self._bridge.on_up(self)

    def _on_held_up(self) -> None:
        carrier = self.carrier
        self._held_up_at = carrier.blocked_at if carrier.stalled_at is None else carrier.stalled_at
        self._bridge.on_held_up(self)

    def _on_health(self) -> None:
        self._bridge.on_health(self)

    def _on_ended(self, carrier: Carrier) -> None:
        self.carrier.wheel.forget(self)
        self._bridge.on_ended(self)


class Bridge:
    """One configured bridge, or the same for VLESS's own reverse tunnel."""

    def __init__(
        self, tag: str, domain: str, dispatcher: Dispatcher, loop: Loop, wheel: Wheel, *,
        user: str = "", level: int = 0, open_carrier: OpenCarrier | None = None,
        account: Account | None = None, policy: Policy | None = None, news: News | None = None,
        stall_s: float = STALL_S, paused: Paused | None = None,
    ) -> None:
        """`stall_s`: as in stalls.py. `user` and `level` are those of the sessions that come through.

        `open_carrier` dials without the router; such a bridge is told who the visitors are. Source: Xray-core
        proxy/vless/outbound/outbound.go.
        """
        self.tag = tag
        self.origin = Request(Destination("tcp", domain, 0), tag, user=user, level=level)
        self.reads_addresses = open_carrier is not None
        self._open_carrier = open_carrier
        self._account = account
        self._news = News(wheel) if news is None else news
        self._level = (Policy() if policy is None else policy).level(level)
        self.dispatcher = dispatcher
        self.links: list[BridgeLink] = []       # all that are not ended, drained ones included
        self._loop = loop
        self._wheel = wheel
        self.stalls = Stalls(f"bridge {tag}", loop, self._news, stall_s)
        self._random = random.Random()
        self._lost: list[int] = []              # names of carriers that the portal may still count on
        self._lost_at = -SOON_S                 # loop time, s: when a carrier was last lost that had been up
        self._retry_s = 0.0                     # the pause before the next attempt
        self._retry: asyncio.TimerHandle | None = None
        self.failures = 0                       # attempts since a carrier was last up
        self.retry_at: float | None = None      # loop time, s: of the next attempt, where one is due
        self.last_seen_at: float | None = None  # the same: when a carrier last came up or was lost
        self.last_error = ""                    # why the last one was lost, or could not be made
        self._is_up = False                     # as far as it was told
        self._is_stopped = False
        self._paused = Paused() if paused is None else paused
        self.is_retired = False                 # it was removed, and takes no new session
        self._timer = loop.call_later(TICK_S, self._on_timer)

    def start(self) -> None:
        self._open_link()

    def stop(self) -> None:
        """End every carrier now."""
        self.close()
        for link in tuple(self.links):
            link.carrier.close()

    def close(self) -> None:
        """Open no more carriers; what runs goes on."""
        self._is_stopped = True
        self._timer.cancel()
        if self._retry is not None:
            self._retry.cancel()

    def retire(self) -> None:
        """It was removed: no new carriers, no new sessions, and its carriers are closed when nothing runs on them."""
        if self._is_up:
            self._news.tell(Kind.TUNNEL_DOWN, self.tag, "the bridge was changed or removed", reason="replaced")
        self.close()
        self.is_retired = True
        for link in self.links:
            link.retire()
        self._on_timer()

    @property
    def is_paused(self) -> bool:
        """It takes no new sessions for now."""
        return self.tag in self._paused.bridges

    @property
    def is_refusing(self) -> bool:
        """A session that the portal opens now is refused; one that is only paused counts it."""
        if self.tag in self._paused.bridges:
            self._news.count(Refusal.PAUSED)
            return True
        return self.is_retired

    @property
    def is_leaving(self) -> bool:
        """It opens no more carriers; those that it has go on until nothing runs on them."""
        return self._is_stopped

    @property
    def is_gone(self) -> bool:
        """It opens no more carriers, and has none left."""
        return self._is_stopped and not self.links

    def renew(self, origin: Request | None = None, open_carrier: OpenCarrier | None = None) -> None:
        """Carriers are made another way now (what the router chooses, or `open_carrier`): open one, and when that is up let
        those of before go, each when nothing runs on it any more. `origin` changes whose the sessions are.
        """
        if origin is not None:
            self.origin = origin
        if open_carrier is not None:
            self._open_carrier = open_carrier
        if self._is_stopped:
            return
        for link in self.links:
            link.is_outdated = True
        self._retry_s = 0.0
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._reconnect()

    @property
    def active(self) -> list[BridgeLink]:
        """Those to count on."""
        return [
            link for link in self.links
            if link.is_active and not link.is_outdated and not link.is_quarantined and not link.is_late]

    @property
    def free(self) -> list[BridgeLink]:
        """Those of them on which a new session would be served."""
        return [link for link in self.active if not link.is_held_up]

    def tick(self) -> None:
        """What happens every TICK_S: one more carrier if the load asks for it, and none that is not needed any more."""
        for link in [link for link in self.links if link.is_outdated or self.is_retired]:
            if not link.is_active and link.is_idle:
                link.carrier.close()
        for link in tuple(self.links):
            self.stalls.look(link.carrier, link.health, may_close=False)
        if self._is_stopped:
            return
        free = self.free
        if self._lacks_one:
            self._reconnect()
        elif free and sum(len(link.carrier.sessions) for link in free) // len(free) > SESSIONS_PER_CARRIER:
            self._open_link()
        self._keep_free()

    # links

    def took_session(self, session: MuxSession | MuxPacketSession, request: Request) -> None:
        """The portal opened `session`, for `request`."""
        session.request, session.begun_at = request, self._loop.time()
        if isinstance(session, MuxSession):
            session.buffer_bytes = self._level.buffer_bytes
        if self._account is not None:
            self._account.open(session)

    def on_up(self, link: BridgeLink) -> None:
        self.failures = 0
        self.last_seen_at = self._loop.time()
        for other in [other for other in self.links if other.is_late]:
            other.is_active = False         # an attempt that this one was faster than
            other.carrier.close()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if not link.is_outdated:
            for other in self.links:
                if other.is_outdated:
                    other.retire()
        _log.info("bridge %s: connected to the portal (%s), %d carriers", self.tag, link.dialect, len(self.active))
        if not self._is_up:
            self._is_up = True
            self._news.tell(Kind.TUNNEL_UP, self.tag, "connected to the portal")
        self._keep_free()

    def on_health(self, link: BridgeLink) -> None:
        """The portal does not answer on `link` any more, or does again."""
        if not link.is_quarantined:
            _log.info("bridge %s: the portal answers again", self.tag)
            return
        _log.warning("bridge %s: the portal does not answer on a carrier", self.tag)
        if link.is_active and not self.active:
            self._retry_s = 0.0
            self._reconnect()

    def tell_lost(self, link: BridgeLink) -> None:
        """Carriers that are lost to us may still look well to the portal: say on `link` which they are."""
        extension = link.carrier.extension
        if extension is not None:
            while self._lost and extension.forget(self._lost[0]):
                del self._lost[0]

    def on_held_up(self, link: BridgeLink) -> None:
        """Another core does not read a carrier, or makes us not read it: have others."""
        _log.info("bridge %s: a slow session holds up one of %d carriers", self.tag, len(self.active))
        self._keep_free()

    def _keep_free(self) -> None:
        """Beside carriers that are held up, open some that are not; but not while the portal cannot be reached."""
        if 0 < self._held_up <= MAX_HELD_UP and self._retry is None:
            for _ in range(FREE_CARRIERS - len(self.free)):
                self._open_link()

    @property
    def _held_up(self) -> int:
        return sum(link.is_active and link.is_held_up for link in self.links)

    @property
    def _lacks_one(self) -> bool:
        """No carrier would serve a new session, and another may be opened."""
        return not self.free and (not self.active or self._held_up <= MAX_HELD_UP)

    def padding(self) -> bytes:
        """For a control message."""
        return self._random.randbytes(self._random.randint(control.MIN_PADDING_BYTES, control.MAX_PADDING_BYTES))

    def on_drained(self, link: BridgeLink) -> None:
        _log.debug("bridge %s: the portal drains a carrier after %d sessions", self.tag, link.carrier.opened)
        if self._lacks_one:
            self._open_link()
        self._keep_free()

    def on_ended(self, link: BridgeLink) -> None:
        self.links.remove(link)
        if self._is_stopped:
            return
        if not link.is_active:
            return              # drained: its end was expected
        now = self._loop.time()
        age_s = now - link.opened_at
        self.last_error = reason = str(link.carrier.error or "")
        if link.carrier.received:
            self.last_seen_at = now
            self._lost_at = self._loop.time()
            if age_s >= STEADY_S:
                self._retry_s = 0.0
            if link.carrier.extension is not None and len(self._lost) < MAX_CARRIERS:
                self._lost.append(link.carrier.extension.nonce)
            _log.warning("bridge %s: carrier lost after %.0f s: %s", self.tag, age_s, link.carrier.error)
        else:
            if self._loop.time() - self._lost_at < SOON_S:
                self._retry_s = min(self._retry_s, SOON_MOST_S)
            level = logging.WARNING if not self.failures else logging.INFO
            self.failures += 1
            _log.log(level, "bridge %s: cannot reach the portal: %s", self.tag, link.carrier.error)
        if self._is_up and not any(other.is_up for other in self.links):
            self._is_up = False
            self._news.tell(
                Kind.TUNNEL_DOWN, self.tag, f"the carrier was lost after {age_s:.0f} s: {reason}", reason=reason, seconds=age_s)
        if self._lacks_one:
            self._reconnect()

    def _reconnect(self) -> None:
        """Open a carrier after the pause that is due; the next pause is longer."""
        if self._retry is not None or self._is_stopped:
            return
        pause_s = self._retry_s * (1 + self._random.uniform(-RETRY_JITTER, RETRY_JITTER))
        self._retry_s = min(max(RETRY_FIRST_S, self._retry_s * RETRY_GROWTH), RETRY_MOST_S)
        self._retry = self._loop.call_later(pause_s, self._on_retry)
        self.retry_at = self._loop.time() + pause_s

    def _on_retry(self) -> None:
        self._retry = self.retry_at = None
        if self._lacks_one and not self._is_stopped:
            self._open_link()

    def try_now(self) -> None:
        """Do not wait for the next attempt, where one is due."""
        if self._retry is not None:
            self._retry.cancel()
            self._on_retry()

    def _open_link(self) -> None:
        if self._is_stopped or len(self.links) >= MAX_CARRIERS or sum(not link.is_up for link in self.links) >= MAX_ATTEMPTS:
            return
        link = BridgeLink(self, self._loop, self._wheel)
        self.links.append(link)
        if self._open_carrier is not None:
            self._open_carrier(link.carrier)
        else:
            self.dispatcher.dispatch(self.origin, link.carrier)
        link.carrier.peer.obey(CARRIER_LIMITS)
        if link.carrier.peer is NULL_STREAM and not link.carrier.ended:
            link.carrier.fail(LinkDown("nothing carries it"))

    def _on_timer(self) -> None:
        if not self.is_gone:
            self._timer = self._loop.call_later(TICK_S, self._on_timer)
            self.tick()
