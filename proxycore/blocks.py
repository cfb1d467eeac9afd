"""Sources that are refused for some time, by hand. They are refused where they connect, and again where they are routed."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, TypeAlias

from proxycore.destination import HostPort, Request, unmapped
from proxycore.messages.events import Refusal
from proxycore.net.wheel import STEP_S, Wheel
from proxycore.news import News
from proxycore.stream import NULL_PACKETS, NULL_STREAM, PacketStream, Stream

AcceptStream: TypeAlias = Callable[[Stream, HostPort, HostPort], None]
AcceptFlow: TypeAlias = Callable[[PacketStream, HostPort, HostPort], None]

MAX_BLOCKED: Final = 10_000
MAX_BLOCK_S: Final = 366 * 24 * 3600.0


class Blocks:
    """`until`: Unix times by address. Only to be read; it is the same object for as long as the instance runs."""

    __slots__ = ("_news", "_now", "_wheel", "until", "wheel_slot")

    def __init__(self, wheel: Wheel, news: News, now: Callable[[], float] = time.time) -> None:
        self.until: dict[str, float] = {}
        self._wheel = wheel
        self._news = news
        self._now = now
        self.wheel_slot = -1

    def block(self, source: str, seconds: float) -> str:
        """Refuse what comes from `source` for so long; the address as it is compared.

        Raises: ValueError, it is no address, or too many are blocked already.
        """
        address = plain_address(source)
        if address not in self.until and len(self.until) >= MAX_BLOCKED:
            raise ValueError(f"{MAX_BLOCKED} sources are blocked already")
        self.until[address] = self._now() + min(max(seconds, STEP_S), MAX_BLOCK_S)
        if self.wheel_slot < 0:
            self._wheel.watch(self, STEP_S)
        return address

    def unblock(self, source: str) -> None:
        """Raises: ValueError, it is no address."""
        self.until.pop(plain_address(source), None)

    def on_watch(self) -> float | None:
        now = self._now()
        for address in [address for address, until in self.until.items() if until <= now]:
            del self.until[address]
        return STEP_S if self.until else None

    def refuses(self, request: Request) -> bool:
        """Whether its source is blocked; if so it is counted."""
        source = request.source
        if source is None or source[0] not in self.until:
            return False
        self.count(request.inbound_tag, source)
        return True

    def count(self, tag: str, source: HostPort) -> None:
        self._news.refused(Refusal.BLOCKED, tag, source, "its source is blocked")

    def guard(self, tag: str, accept: AcceptStream) -> AcceptStream:
        """`accept`, but for what comes from blocked sources."""
        until = self.until

        def accept_others(stream: Stream, source: HostPort, local: HostPort) -> None:
            if until and source[0] in until:
                self.count(tag, source)
                stream.peer = NULL_STREAM
                stream.abort(None)
            else:
                accept(stream, source, local)

        return accept_others

    def guard_packets(self, tag: str, accept: AcceptFlow) -> AcceptFlow:
        """The same for flows of datagrams."""
        until = self.until

        def accept_others(packets: PacketStream, source: HostPort, local: HostPort) -> None:
            if until and source[0] in until:
                self.count(tag, source)
                packets.peer = NULL_PACKETS
                packets.close()
            else:
                accept(packets, source, local)

        return accept_others


def plain_address(text: str) -> str:
    """As sources are written: without brackets, IPv4 as IPv4. Raises: ValueError."""
    return str(unmapped(ip_address(text.strip().removeprefix("[").removesuffix("]"))))
