"""The sessions of a tunnel: listed when somebody looks, and ended by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

from proxycore.destination import Destination, Request, ip_text
from proxycore.errors import LinkDown
from proxycore.live.carriers import AnyLink, Carriers, text
from proxycore.live.tunnels import bridges_by_tag, portals_by_tag
from proxycore.messages.state import SessionPhase, SessionState
from proxycore.mux.session import MuxPacketSession, MuxSession

if TYPE_CHECKING:
    from proxycore.instance import Instance

Session = MuxSession | MuxPacketSession
TunnelKind = Literal["portal", "bridge"]


class Found(NamedTuple):
    link: AnyLink
    session: Session
    request: Request


class Sessions:
    """Of all tunnels of `instance`."""

    def __init__(self, instance: Instance, carriers: Carriers) -> None:
        self._instance = instance
        self.carriers = carriers

    def of(self, tag: str, kind: TunnelKind) -> Iterator[Found]:
        """The live sessions of one tunnel, without control sessions: carrier by carrier, the oldest first."""
        links: Iterable[AnyLink]
        if kind == "portal":
            links = [link for portal in portals_by_tag(self._instance).get(tag, ()) for link in portal.links]
        else:
            links = [link for bridge in bridges_by_tag(self._instance).get(tag, ()) for link in bridge.links]
        return _in(links)

    def all(self) -> Iterator[Found]:
        """Those of every tunnel."""
        for portals in portals_by_tag(self._instance).values():
            yield from _in(link for portal in portals for link in portal.links)
        for bridges in bridges_by_tag(self._instance).values():
            yield from _in(link for bridge in bridges for link in bridge.links)

    def states(self, found: Iterable[Found]) -> Iterator[SessionState]:
        """How pages show them."""
        number, offset_s = "", self.carriers.unix(0.0)
        last: AnyLink | None = None
        for link, session, request in found:
            if link is not last:
                number, last = self.carriers.number(link), link
            is_client = session.carrier.is_client
            up, down = (session.sent, session.received) if is_client else (session.received, session.sent)
            begun_at = session.begun_at
            state: SessionState = {
                "id": f"{number}/{session.id}/{int(begun_at * 1e6)}", "carrier": number, "phase": phase(session), "up": up,
                "down": down, "target": target_text(request.destination), "since": round(offset_s + begun_at, 1)}
            if request.source is not None:
                state["source"] = text(request.source)
            if request.inbound_tag:
                state["inbound"] = request.inbound_tag
            if request.user:
                state["user"] = request.user
            if request.protocol and request.name:
                state["sniffed"] = request.name
            yield state

    def close(self, ids: Iterable[str]) -> int:
        """End the sessions that have these ids; how many there were. An id that was another's before ends nothing."""
        closed = 0
        for one in ids:
            number, _, rest = one.partition("/")
            session_id, _, serial = rest.partition("/")
            link = self.carriers.find(number)
            if link is None or not session_id.isdigit():
                continue
            session = link.carrier.sessions.get(int(session_id))
            if session is None or session.request is None or str(int(session.begun_at * 1e6)) != serial:
                continue
            end(session)
            closed += 1
        return closed

    def close_of(self, source: str, tag: str = "", kind: TunnelKind | None = None) -> int:
        """End all sessions from this address, of one tunnel (by tag, of either kind where none is given) or of every one."""
        found = self._of_either(tag, kind) if tag else self.all()
        mine = [one.session for one in found if one.request.source is not None and one.request.source[0] == source]
        for session in mine:
            end(session)
        return len(mine)

    def close_all(self, tag: str, kind: TunnelKind | None = None) -> int:
        """End all sessions of one tunnel, by tag, of either kind where none is given."""
        mine = [one.session for one in self._of_either(tag, kind)]
        for session in mine:
            end(session)
        return len(mine)

    def _of_either(self, tag: str, kind: TunnelKind | None) -> Iterator[Found]:
        return self.of(tag, kind) if kind is not None else chain(self.of(tag, "portal"), self.of(tag, "bridge"))


def _in(links: Iterable[AnyLink]) -> Iterator[Found]:
    for link in links:
        for session in link.carrier.sessions.values():
            if session.request is not None:
                yield Found(link, session, session.request)


def end(session: Session) -> None:
    """Both ends are told at once."""
    if isinstance(session, MuxSession):
        error = LinkDown("it was closed by hand")
        peer = session.peer
        session.abort(error)
        peer.abort(error)
    else:
        packets = session.peer
        session.close()
        packets.close()


def phase(session: Session) -> SessionPhase:
    """Where it stands, as far as bytes tell."""
    if isinstance(session, MuxPacketSession):
        return "active"
    if session.ending or session.is_half_closed:
        return "half_closed"
    is_client = session.carrier.is_client       # then the carrier leads to the target, else our neighbour does
    if session.rx_bytes:
        return "waiting_for_client" if is_client else "waiting_for_target"
    if session.tx is not None:
        return "waiting_for_target" if is_client else "waiting_for_client"
    return "waiting_for_target" if is_client and not session.received else "active"


def target_text(destination: Destination) -> str:
    """`host:port/tcp`."""
    network, host, port = destination
    if not isinstance(host, str):
        host = ip_text(host)
        if ":" in host:
            host = f"[{host}]"
    return f"{host}:{port}/{network}"
