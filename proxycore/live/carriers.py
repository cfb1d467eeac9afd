"""Carriers as messages/state.py has them, each with a number that no other carrier of this instance gets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from proxycore.destination import HostPort
from proxycore.messages.state import CarrierHealth, CarrierState
from proxycore.mux.carrier import Carrier
from proxycore.net.tcp_info import TcpInfo, tcp_info
from proxycore.reverse import dialect
from proxycore.reverse.bridge import BridgeLink
from proxycore.reverse.extension_codec import VERSION
from proxycore.reverse.link import Link
from proxycore.reverse.portal import WRONG_GUESS_S

LOSS_LOOKS: Final = 10
"""The loss of a carrier is that of about as many looks."""

MIN_SENT: Final = 20
"""Segments that must have been sent meanwhile; else the loss is that of before."""

AnyLink = Link | BridgeLink


class _Seen:
    """What is remembered of a carrier from look to look."""

    __slots__ = ("base", "link", "looks", "loss", "number", "peer")

    def __init__(self, link: AnyLink, number: str) -> None:
        self.link = link
        self.number = number
        self.peer = ""
        self.loss = 0.0
        self.looks = 0
        self.base: TcpInfo | None = None


class Looked(NamedTuple):
    """All carriers of one tunnel. `sessions` are those that are live."""

    carriers: dict[str, CarrierState]
    sessions: int


class Carriers:
    """Tells the carriers of one instance apart."""

    def __init__(self, now: Callable[[], float], loop_time: Callable[[], float]) -> None:
        """`now`: Unix time; `loop_time`: what carriers have their times in."""
        self._now = now
        self._loop_time = loop_time
        self._numbers = itertools.count(1)
        self._seen: dict[AnyLink, _Seen] = {}
        self._by_number: dict[str, _Seen] = {}

    def forget_ended(self) -> None:
        """Forget those that have ended."""
        for link in [link for link in self._seen if link.carrier.ended]:
            del self._by_number[self._seen.pop(link).number]

    def number(self, link: AnyLink) -> str:
        return self._of(link).number

    def find(self, number: str) -> AnyLink | None:
        """The carrier that got this number, while it lives."""
        seen = self._by_number.get(number)
        return seen.link if seen is not None and not seen.link.carrier.ended else None

    def unix(self, loop_time: float) -> float:
        return round(self._now() - (self._loop_time() - loop_time), 1)

    def look(self, links: Iterable[AnyLink]) -> Looked:
        """What they are now."""
        found: dict[str, CarrierState] = {}
        total = 0
        for link in links:
            seen = self._of(link)
            sessions = live_sessions(link)
            total += sessions
            found[seen.number] = self._state(seen, link, sessions)
        return Looked(found, total)

    def _of(self, link: AnyLink) -> _Seen:
        seen = self._seen.get(link)
        if seen is None:
            seen = self._seen[link] = _Seen(link, str(next(self._numbers)))
            self._by_number[seen.number] = seen
        return seen

    def _state(self, seen: _Seen, link: AnyLink, sessions: int) -> CarrierState:
        carrier = link.carrier
        state = CarrierState(
            dialect=link.dialect, health=health(link), sessions=sessions, extension=VERSION if link.has_extension else 0)
        if link.has_extension:
            state["core"] = "xrev"
        elif link.dialect in dialect.CORES and self._is_known(link):
            state["core"] = dialect.CORES[link.dialect]
        if isinstance(link, Link):
            state["peer"] = text(link.source)
            if link.credential:
                state["user"] = link.credential
            state["since"] = self.unix(link.registered_at)
            state["opened"] = max(carrier.opened - link.tries, 0)
            state["up"], state["down"] = carrier.sent, carrier.received
        else:
            state["since"] = self.unix(link.opened_at)
            state["opened"] = max(carrier.opened - bool(link.dialect), 0)
            state["up"], state["down"] = carrier.received, carrier.sent
        self._look_at_socket(seen, carrier, state)
        return state

    def _is_known(self, link: AnyLink) -> bool:
        """A portal speaks its own dialect. A bridge that lived through a wrong guess for so long would have broken off."""
        return isinstance(link, BridgeLink) or self._loop_time() - link.registered_at > WRONG_GUESS_S[1]

    def _look_at_socket(self, seen: _Seen, carrier: Carrier, state: CarrierState) -> None:
        sock = carrier.peer.carried_by()
        if sock is None:
            return
        if "peer" not in state:
            if not seen.peer:
                seen.peer = peer_of(sock.getpeername)
            state["peer"] = seen.peer
        info = tcp_info(sock)
        if info is None:
            return
        rtt_ms = info.rtt_ms if carrier.rtt_s is None else carrier.rtt_s * 1000    # through the tunnel rather than to its socket
        if rtt_ms > 0:          # else it is not measured yet
            state["rtt_ms"] = round(rtt_ms, 3 if rtt_ms < 1 else 1 if rtt_ms < 10 else None)    # on one host it is microseconds
        if seen.base is None:
            seen.base = info
        seen.looks += 1
        if seen.looks >= LOSS_LOOKS and info.sent - seen.base.sent >= MIN_SENT:
            seen.loss = round((info.retransmitted - seen.base.retransmitted) / (info.sent - seen.base.sent), 3)
            seen.base, seen.looks = info, 0
        state["loss"] = seen.loss


def live_sessions(link: AnyLink) -> int:
    """Without the control session."""
    control = (link.control is not None and not link.control.ended) if isinstance(link, Link) else bool(link.dialect)
    return max(len(link.carrier.sessions) - control, 0)


def health(link: AnyLink) -> CarrierHealth:
    if link.is_quarantined:
        return "suspect"
    if isinstance(link, Link):
        return "draining" if link.is_draining else "active"
    return "active" if link.is_active and not link.is_outdated else "draining"


def peer_of(getpeername: Callable[[], object]) -> str:
    try:
        address = getpeername()
    except OSError:
        return ""
    return text((str(address[0]).removeprefix("::ffff:"), int(address[1]))) if isinstance(address, tuple) else ""


def text(address: HostPort | None) -> str:
    """`address:port`; "" where it is not known. Port 0: only the address is."""
    if address is None:
        return ""
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{host}:{address[1]}" if address[1] else host
