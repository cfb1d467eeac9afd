"""The portal: an outbound that owns the carriers which bridges opened, and sends everything else through them.

A request for the portal's own domain *is* a carrier; any other is a public client. (In VLESS's own reverse tunnel there
is no domain: the inbound registers carriers.) Source: Xray-core app/reverse/portal.go, proxy/vless/inbound/inbound.go;
where this differs (it waits for a carrier, finds the dialect out) docs/reverse.md says why.
"""

from __future__ import annotations

import logging
import random

from proxycore.destination import Destination, HostPort, Request
from proxycore.errors import LinkDown, PeerError, ProxyError
from proxycore.messages.events import Kind, Refusal
from proxycore.mux.carrier import V2RAY_PACKET_BYTES, XRAY_PACKET_BYTES
from proxycore.mux.client import MuxClient
from proxycore.mux.codec import encode_addresses
from proxycore.mux.extension import INITIAL_WINDOW_BYTES, MAX_PACKET_BYTES
from proxycore.mux.extension import Extension as CarrierExtension
from proxycore.mux.session import MuxPacketSession, MuxSession
from proxycore.net.limits import CARRIER_LIMITS
from proxycore.net.poller import Loop
from proxycore.net.wheel import Wheel
from proxycore.news import News
from proxycore.policy import Policy
from proxycore.protocols.base import Outbound
from proxycore.reverse import control, dialect
from proxycore.reverse.dialect import DialectMemory
from proxycore.reverse.extension_codec import VERSION, Extension, decode_extension, encode_extension
from proxycore.reverse.link import Link
from proxycore.reverse.paused import Paused
from proxycore.reverse.picking import Picker, Picking, Verdict
from proxycore.reverse.stalls import STALL_S, Stalls, is_held_up
from proxycore.reverse.waiting import MAX_WAITING, WaitingStream
from proxycore.stats import Account
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, PacketStream, Stream

TICK_S = 2.0
"""Heartbeats, draining and sweeping happen at this pace."""

TICKS_PER_HEARTBEAT = 5
"""In the newest dialect only every fifth tick carries one (Xray from 25.7.23); older bridges get one every tick."""

DRAIN_AFTER_SESSIONS = 256
"""A carrier on which more sessions were ever opened (its control session included) is drained."""

IDLE_CLOSE_TICKS = 8
"""A drained carrier without a session is closed at this pace (16 s)."""

WRONG_GUESS_S = (45.0, 150.0)
"""A carrier lost at this age, while the dialect was only guessed, suggests that the bridge never understood it."""

SETTLE_S = 1.5
"""A carrier that serves is not drained before its control session is this old: a bridge that does not understand it needs a
second to say so (V2Ray: a name that cannot be resolved, tried five times), and would not understand the DRAIN."""

DRAIN_ANSWER_S = 6.0
"""A bridge that understood a DRAIN has opened another carrier by then; the cores look every 2 s."""

SPARES = 2
"""Drained carriers that are kept for each bridge of another core; a DRAIN is the only way to ask for one. Where a slow client
holds up the one in use they serve at once. A new one takes the bridge two seconds, and it may not read."""

FOUND_S = 10.0
"""A bridge that refused other names, and not this one for so long, seems to understand it: it is asked for a first spare."""

MAX_CARRIERS = 1024
"""Carriers of one portal; a bridge that opens one more is refused."""

_log = logging.getLogger("xrev.portal")


class _ControlEars(PacketStream):
    """Listens on our end of a control session. A bridge that understands it says nothing there but that it takes our offer."""

    __slots__ = ("_link", "_portal")

    def __init__(self, portal: Portal, link: Link) -> None:
        self._portal = portal
        self._link = link

    def write_packet(self, data: Buffer, address: Destination | None) -> None:
        self._portal.on_answer(self._link, data)

    def close(self) -> None:
        self._portal.on_misunderstood(self._link)


class Portal(Outbound):
    """One configured portal."""

    is_metered = True

    def __init__(
        self,
        tag: str,
        domain: str | None,
        loop: Loop,
        wheel: Wheel,
        fixed_dialect: str | None = None,
        *,
        tells_addresses: bool = False,
        account: Account | None = None,
        policy: Policy | None = None,
        news: News | None = None,
        picking: Picking | None = None,
        stall_s: float = STALL_S,
        paused: Paused | None = None,
    ) -> None:
        """`tells_addresses`: bridges are told who the visitor is; those of a `reverse` section would not understand it.
        `stall_s`: as in stalls.py."""
        self.tag = tag
        self.domain = domain
        self.links: list[Link] = []             # in the order of registration
        self._loop = loop
        self._wheel = wheel
        self._memory = DialectMemory(fixed_dialect)
        self._tells_addresses = tells_addresses
        self._account = account
        self._policy = Policy() if policy is None else policy
        self._news = News(wheel) if news is None else news
        self.picker = Picker(picking)
        self._stalls = Stalls(f"portal {tag}", loop, self._news, stall_s)
        self.last_source: HostPort | None = None        # where the last carrier came from
        self.last_seen_at: float | None = None          # loop time, s: when a carrier last came or went
        self.last_error = ""                            # why the last one that was lost ended
        self._paused = Paused() if paused is None else paused
        self._waiting: dict[WaitingStream, None] = {}
        self._random = random.Random()
        self._ticks = 0
        self._is_closed = False
        self._timer = loop.call_later(TICK_S, self._on_timer)

    # requests

    def open(self, request: Request, stream: Stream) -> None:
        host = request.destination.host
        if isinstance(host, str):           # (comparing an IP address with text costs microseconds)
            if host == self.domain:
                self.register(request, stream)
                return
            if dialect.is_control(host) or not request.destination.port:    # port 0: a carrier, and not ours
                self._news.refused(Refusal.WRONG_DOMAIN, self.tag, request.source, f"a carrier for {host} is none of this portal")
                stream.peer = NULL_STREAM
                stream.abort(LinkDown("no portal has this domain"))
                return
        if self.tag in self._paused.portals:
            self._news.count(Refusal.PAUSED)
            stream.peer = NULL_STREAM
            stream.abort(LinkDown("the tunnel is paused"))
            return
        now = self._loop.time()
        link = self.picker.pick(self.links, request, now)
        if link is not None and (link.is_free or not link.is_stuck or self._is_closed):
            session = self._session(link, request, now)
            session.peer, stream.peer = stream, session
        elif len(self._waiting) < MAX_WAITING and not self._is_closed:
            waiting = WaitingStream(request, stream, self._wheel, self._stopped_waiting)
            self._waiting[waiting] = None
            stream.peer = waiting
        else:
            self._news.refused(Refusal.LIMIT, self.tag, request.source, f"{len(self._waiting)} wait for a carrier already")
            stream.abort(LinkDown("no bridge is connected"))

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        if self.is_paused:
            self._news.count(Refusal.PAUSED)
            packets.peer = NULL_PACKETS
            packets.close()
            return
        link = self.pick(request)
        host = request.destination.host
        if link is None or host == self.domain or dialect.is_control(host):     # a client may not speak to the bridge itself
            why = Refusal.NO_CARRIER if link is None else Refusal.WRONG_DOMAIN
            self._news.refused(why, self.tag, request.source, "no bridge is connected" if link is None else "")
            packets.peer = NULL_PACKETS
            packets.close()
            return
        session = link.carrier.open_packets(request.destination, optional=self._visitor(link, request))
        session.request, session.begun_at = request, self._loop.time()
        if self._account is not None:
            self._account.open(session)
        session.peer, packets.peer = packets, session

    def pick(self, request: Request | None = None) -> Link | None:
        """The carrier for a new session: the best of those that answer; one that is held up, or drained, only if there is no
        other."""
        return self.picker.pick(self.links, request, self._loop.time())

    def verdicts(self, request: Request | None = None) -> list[Verdict]:
        """Why `pick` decides as it does: all carriers, in the order of preference."""
        return self.picker.verdicts(self.links, request, self._loop.time())

    @property
    def is_paused(self) -> bool:
        """It takes no new clients; bridges may come and go."""
        return self.tag in self._paused.portals

    def is_usable(self) -> bool:
        """Whether there is a carrier that takes another session."""
        return self.pick() is not None and not self.is_paused

    def _session(self, link: Link, request: Request, now: float) -> MuxSession:
        """Raises as `MuxClient.open`."""
        session = link.carrier.open(request.destination, self._visitor(link, request))
        session.request, session.begun_at = request, now
        session.buffer_bytes = self._policy.level(request.level).buffer_bytes
        if self._account is not None:
            self._account.open(session)
        return session

    def _visitor(self, link: Link, request: Request) -> bytes:
        """What a New frame says about who opened the session."""
        if not (self._tells_addresses or link.carrier.extension is not None) or request.source is None or request.local is None:
            return b""
        return encode_addresses(request.destination.network, request.source, request.local)

    def use(self, picking: Picking, stall_s: float) -> None:
        """Go by other settings from now on."""
        self.picker.use(picking)
        self._stalls.stall_s = stall_s

    def close(self) -> None:
        """Open no sessions on new carriers any more; what runs goes on."""
        self._is_closed = True

    def retire(self) -> None:
        """It was removed: bridges are asked for other carriers, and those of now are closed when nothing runs on them."""
        if self.links:
            text = "the portal was changed or removed: its bridges have to come again"
            self._news.tell(Kind.TUNNEL_DOWN, self.tag, text, reason="replaced")
        self._is_closed = True
        for link in self.links:
            if not link.is_draining:
                self._drain(link)
                link.drained_at = 0.0           # no carrier will come here in answer

    @property
    def is_leaving(self) -> bool:
        """It takes no more carriers; those that it has go on until nothing runs on them."""
        return self._is_closed

    @property
    def is_gone(self) -> bool:
        """It takes no more, and has no carrier left."""
        return self._is_closed and not self.links

    def stop(self) -> None:
        """End every carrier now."""
        self._is_closed = True
        self._timer.cancel()
        for link in tuple(self.links):
            link.carrier.close()
        for waiting in tuple(self._waiting):
            waiting.peer.abort(LinkDown("stopped"))

    # carriers

    def register(self, request: Request, stream: Stream) -> None:
        """`stream`, which `request` opened, is a carrier from now on; it is aborted if there are too many."""
        if self._is_closed or len(self.links) >= MAX_CARRIERS:
            _log.warning("portal %s: carrier refused, there are %d", self.tag, len(self.links))
            self._news.refused(Refusal.LIMIT, self.tag, request.source, "the portal takes no more carriers")
            stream.abort(LinkDown("the portal takes no more carriers"))
            return
        carrier = MuxClient(self._loop, self._wheel)
        carrier.peer, stream.peer = stream, carrier
        stream.obey(CARRIER_LIMITS)
        link = Link(carrier, request, self._loop.time())
        carrier.on_ended = lambda _carrier: self._on_carrier_ended(link)
        bridge = self.picker.came(link.credential, self.links, self._loop.time())

        def on_outcome(is_good: bool) -> None:
            if bridge.failures or not is_good:
                self._on_outcome(link, is_good=is_good)

        carrier.on_outcome = on_outcome
        link.watch(self._on_health)
        self._stalls.watch(carrier, lambda: self._on_held_up(link))
        self._open_control(link, self._memory.first_guess(link.credential))
        for other in self.links:
            if other.drained_at and other.credential == link.credential:
                other.drained_at = 0.0
                self._memory.right(other.credential, other.dialect)
        self.links.append(link)
        self.last_source, self.last_seen_at = link.source, link.registered_at
        where = _text(link.source)
        _log.info("portal %s: bridge connected from %s, %d carriers", self.tag, where, len(self.links))
        if len(self.links) == 1:
            self._news.tell(Kind.TUNNEL_UP, self.tag, f"a bridge connected from {where}", source=link.source)
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        """There may be a carrier for those that wait."""
        waiting, self._waiting = self._waiting, {}
        for stream_waiting in waiting:
            if stream_waiting.is_over:      # what another did ended it
                continue
            picked = self.pick(stream_waiting.request)
            if picked is None or picked.is_stuck:
                self._waiting[stream_waiting] = None
            else:
                self._join(stream_waiting, picked)

    def _join(self, waiting: WaitingStream, link: Link) -> None:
        try:
            session = self._session(link, waiting.request, self._loop.time())
        except ProxyError as error:         # what it asks for cannot be said on a carrier: that must cost nobody else anything
            waiting.refuse(error)
        else:
            waiting.join(session)

    def _on_carrier_ended(self, link: Link) -> None:
        self.links.remove(link)
        age_s = self._loop.time() - link.registered_at
        low_s, high_s = WRONG_GUESS_S
        if link.control is not None and not link.is_draining and not link.has_extension and low_s < age_s < high_s:
            following = self._memory.lost(link.credential, link.dialect)
            _log.info("portal %s: lost after %.0f s; the next carrier is addressed as %s", self.tag, age_s, following)
        where = _text(link.source)
        self.last_seen_at = self._loop.time()
        _log.info("portal %s: bridge from %s gone after %.0f s, %d carriers left", self.tag, where, age_s, len(self.links))
        if self._is_closed:
            return
        self.last_error = reason = str(link.carrier.error or "")
        if not self.links:
            self._news.tell(
                Kind.TUNNEL_DOWN, self.tag, f"the bridge from {where} is gone after {age_s:.0f} s: {reason}", reason=reason,
                source=link.source, seconds=age_s)

    def _open_control(self, link: Link, name: str) -> None:
        link.dialect = name
        link.addressed_at = self._loop.time()
        link.tries += 1
        link.carrier.max_packet_bytes = XRAY_PACKET_BYTES if name == dialect.XRAY_25_9 else V2RAY_PACKET_BYTES
        message = self._active(link)
        link.control = link.carrier.open_packets(Destination("udp", name, 0), message)
        link.control.peer = _ControlEars(self, link)

    def _active(self, link: Link) -> bytes:
        """The message that a carrier is in use; it offers the extension until the bridge has taken that."""
        offer = b""
        if not link.has_extension:
            offer = encode_extension(Extension(VERSION, link.nonce, INITIAL_WINDOW_BYTES, is_answer=False))
        return control.encode_control(control.ACTIVE, self._padding(), offer)

    def on_answer(self, link: Link, data: Buffer) -> None:
        """Something came on the control session: the bridge takes our offer, or it took the session for something else."""
        carrier = link.carrier
        if carrier.extension is not None:
            return
        try:
            answer = decode_extension(data)
        except PeerError:
            answer = None
        if answer is None or not answer.is_answer or answer.nonce != link.nonce or answer.version != VERSION:
            self.on_misunderstood(link)
            return
        carrier.extension = CarrierExtension(carrier, link.nonce, answer.window, can_send=True)
        carrier.extension.on_forget = lambda nonce: self._on_forget(link, nonce)
        carrier.max_packet_bytes = MAX_PACKET_BYTES
        link.health.attend()
        self._memory.right(link.credential, link.dialect)
        _log.info("portal %s: bridge from %s is one of ours", self.tag, _text(link.source))

    def _on_forget(self, link: Link, nonce: int) -> None:
        """A bridge says that another of its carriers is lost to it."""
        for other in self.links:
            if other.nonce == nonce and other is not link and other.credential == link.credential:
                other.carrier.fail(LinkDown("the bridge has lost it"))
                return

    def _on_health(self, link: Link) -> None:
        if link.is_quarantined:
            _log.warning("portal %s: bridge from %s does not answer and gets no new sessions", self.tag, _text(link.source))
        else:
            _log.info("portal %s: bridge from %s answers again", self.tag, _text(link.source))
            self._serve_waiting()

    def _on_held_up(self, link: Link) -> None:
        """A slow session holds up the carrier of another core: ask for another one, unless there is."""
        if link.is_draining or link.control is None:
            return
        if any(not (other.is_draining or other.is_congested or other.is_quarantined) for other in self.links):
            return
        _log.info("portal %s: a slow session holds up the carrier from %s", self.tag, _text(link.source))
        if self._memory.is_confirmed(link.credential, link.dialect):
            self._drain(link)
        else:
            self._drain_by_all_names(link)

    def _drain_by_all_names(self, link: Link) -> None:
        """Which dialect the bridge speaks is not known yet, and it cannot say that it does not know a name: it is not read.

        So it hears the DRAIN by all that it has not refused, in sessions of their own: it may have ended the one of now, and a
        V2Ray that has to answer what is about no session reads nothing more until it can. What comes of it tells nothing about
        any of the names.
        """
        control_session = self._leave(link)
        if control_session is not None:
            control_session.close()
        name = link.dialect
        for _ in range(link.tries, len(dialect.DIALECTS) + 1):
            if link.carrier.is_full:
                break
            session = link.carrier.open_packets(
                Destination("udp", name, 0), control.encode_control(control.DRAIN, self._padding()))
            session.close()
            name = dialect.following(name)

    def _on_outcome(self, link: Link, *, is_good: bool) -> None:
        is_passed_over = self.picker.outcome(link.credential, self._loop.time(), is_failure=not is_good)
        if is_passed_over and any(other.credential != link.credential for other in self.links):
            _log.warning("portal %s: sessions through the bridge from %s fail: it is passed over", self.tag, _text(link.source))

    def on_misunderstood(self, link: Link) -> None:
        """The bridge ended the control session, or answered on it: it took it for something else."""
        if link.control is None or link.carrier.ended or link.has_extension:
            return
        if self._memory.fixed or link.tries >= len(dialect.DIALECTS):
            return
        control_session, link.control = link.control, None
        control_session.close()
        following = self._memory.wrong(link.credential, link.dialect)
        _log.info("portal %s: bridge does not understand %s, trying %s", self.tag, link.dialect, following)
        self._open_control(link, following)

    # time

    def _on_timer(self) -> None:
        if self.is_gone:
            return
        self._timer = self._loop.call_later(TICK_S, self._on_timer)
        self.tick()

    def tick(self) -> None:
        """What happens every TICK_S."""
        self._ticks += 1
        spares = self._spares()
        for link in tuple(self.links):
            self._stalls.look(link.carrier, link.health, may_close=any(not other.is_stuck for other in self.links))
            if link.carrier.ended:
                continue
            if is_held_up(link.carrier):
                self._on_held_up(link)
            if link.is_draining:
                self._judge_drain(link)
                if (
                    not link.carrier.sessions and self._ticks % IDLE_CLOSE_TICKS == 0
                    and link not in spares.get(link.credential, ())[-SPARES:]
                ):
                    link.carrier.close()
            elif link.carrier.opened > DRAIN_AFTER_SESSIONS and self._loop.time() - link.addressed_at >= SETTLE_S:
                self._drain(link)
                continue
            elif len(spares.get(link.credential, ())) < SPARES and self._is_to_be_spare(link):
                self._drain(link)
                spares.setdefault(link.credential, []).append(link)
                continue
            if link.control is None or link.control.ended:
                continue
            if link.dialect != dialect.XRAY_25_9 or self._ticks % TICKS_PER_HEARTBEAT == 0:
                link.control.write_control(self._active(link))

    def _spares(self) -> dict[str, list[Link]]:
        """By credential: carriers of other cores that are drained and would serve, the newest last."""
        spares: dict[str, list[Link]] = {}
        if not self._is_closed:
            for link in self.links:
                if (
                    link.is_draining and not link.has_extension
                    and not (link.is_misunderstood or link.is_congested or link.is_quarantined)
                ):
                    spares.setdefault(link.credential, []).append(link)
        return spares

    def _is_to_be_spare(self, link: Link) -> bool:
        """Whether the bridge will open another carrier in place of `link` and keep this one, or it is time to see that."""
        if link.has_extension or link.is_congested or self._is_closed or link.control is None or link.control.ended:
            return False
        if len(self.links) > MAX_CARRIERS // 2:
            return False
        age_s = self._loop.time() - link.addressed_at
        if self._memory.is_confirmed(link.credential, link.dialect):
            return age_s >= SETTLE_S
        if link.has_tried or age_s < FOUND_S or not self._memory.is_found(link.credential, link.dialect):
            return False
        link.is_tentative = link.has_tried = True
        return True

    def _drain(self, link: Link) -> None:
        """Tell the bridge to open another carrier, and use this one only until that is there."""
        link.drained_at = self._loop.time()
        control_session = self._leave(link)
        if control_session is not None:
            control_session.write_control(control.encode_control(control.DRAIN, self._padding()))
            control_session.close()

    def _leave(self, link: Link) -> MuxPacketSession | None:
        """Use it only until there is another; its control session, which still is to be told so."""
        _log.debug("portal %s: draining a carrier after %d sessions", self.tag, link.carrier.opened)
        link.is_draining = True
        control_session, link.control = link.control, None
        return control_session

    def _judge_drain(self, link: Link) -> None:
        """No carrier has come in answer to a DRAIN: this dialect was not understood, so the next carrier gets another."""
        if not link.drained_at or self._loop.time() - link.drained_at < DRAIN_ANSWER_S:
            return
        if link.carrier.blocked_at is not None:
            link.drained_at = self._loop.time()     # the bridge does not read, so it may not have it yet
            return
        others = [other for other in self.links if other.credential == link.credential and other is not link]
        if link.is_tentative and not self._is_closed:
            link.is_draining = link.is_tentative = False        # as before; nothing is said about it
            link.tries -= 1
            self._open_control(link, link.dialect)
        elif all(other.is_draining for other in others):        # with another carrier the bridge need not open one
            link.is_misunderstood = True
            following = self._memory.suspect(link.credential, link.dialect)
            _log.info("portal %s: no carrier came after a DRAIN; the next one is addressed as %s", self.tag, following)
        link.drained_at = 0.0

    def _padding(self) -> bytes:
        return self._random.randbytes(self._random.randint(control.MIN_PADDING_BYTES, control.MAX_PADDING_BYTES))

    @property
    def waiting(self) -> int:
        """Clients that wait for a carrier."""
        return len(self._waiting)

    def _stopped_waiting(self, waiting: WaitingStream, *, in_vain: bool) -> None:
        self._waiting.pop(waiting, None)
        link = self.pick(waiting.request) if in_vain else None
        if link is not None:        # it is held up, but it is what there is
            self._join(waiting, link)
        elif in_vain:
            self._news.refused(Refusal.NO_CARRIER, self.tag, waiting.request.source, "no bridge is connected")


def _text(source: tuple[str, int] | None) -> str:
    return f"{source[0]}:{source[1]}" if source is not None else "an unknown address"


