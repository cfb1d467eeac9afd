"""Options of the socket below everything. Source: Xray-core transport/internet/sockopt_linux.go."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Hashable, Mapping
from copy import copy
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, model_validator

from proxycore.destination import HostPort
from proxycore.document.words import Split, Text, one_of
from proxycore.net.original_destination import redirected_from
from proxycore.net.racing import Racing
from proxycore.net.resolve import Strategy
from proxycore.net.transparent_udp import IP_TRANSPARENT, ask_for_targets
from proxycore.send_through import LocalAddress
from proxycore.transport.base import TransportSettings

_SO_MARK = 36                       # <asm-generic/socket.h>; the socket module has no name for it
_TCP_FASTOPEN_CONNECT = 30          # <linux/tcp.h>: connect returns at once, the first write goes with the SYN
FASTOPEN_QUEUE = 256                # handshakes of a listener that may carry data, by default
_UNKNOWN = "the socket option is known to Xray, not run by this version"
STRATEGIES = {"": Strategy.AS_IS, **{str(one.value): one for one in Strategy}}


def _fast_open(value: object) -> int:
    """Below 0 is off, 0 the system's choice, above the queue's length."""
    if isinstance(value, bool):
        return FASTOPEN_QUEUE if value else -1
    if isinstance(value, int):
        return value or -1
    raise ValueError("true, false or a number is expected")


def _tproxy(value: object) -> object:
    if not isinstance(value, str) or value.lower() not in ("", "off", "redirect", "tproxy"):
        raise ValueError('"off", "redirect" or "tproxy" is expected')
    return value.lower() or "off"


Seconds = Annotated[int, Field(ge=-1, le=32767)]
Whole = Annotated[int, Field(ge=0, le=2**31 - 1)]


def _int(text: str) -> int:
    """A number that a socket option takes. Raises ValueError."""
    if re.fullmatch("-?[0-9]{1,10}", text) and -(2**31) <= int(text) < 2**31:
        return int(text)
    raise ValueError("a number as text is expected")


NumberText = Annotated[str, AfterValidator(lambda text: str(_int(text)))]


class CustomSockopt(TransportSettings):
    """Any option by its numbers, which are texts. `system`: where it is set, empty everywhere. `network`: for which sockets, the
    beginning of tcp4, tcp6, udp4 or udp6."""

    system: str = ""
    network: str = ""
    level: NumberText = "6"             # TCP
    opt: NumberText
    value: str = ""
    type: Literal["int", "str"]

    @model_validator(mode="after")
    def _is_as_typed(self) -> Self:
        if self.type == "int":
            try:
                _int(self.value)
            except ValueError as error:
                raise ValueError(f"its value: {error}") from None
        return self

    @property
    def is_for_this_system(self) -> bool:
        return self.system in ("", sys.platform)

    @property
    def as_set(self) -> tuple[int, int, int | bytes]:
        """What `setsockopt` is called with."""
        return int(self.level), int(self.opt), int(self.value) if self.type == "int" else self.value.encode()


class HappyEyeballsSettings(TransportSettings):
    """How the addresses of one name are tried. Without a delay it is the usual way."""

    prioritize_ipv6: bool = Field(
        default=False, validation_alias="prioritizeIPv6", description="Of several addresses: those of IPv6 first.")
    try_delay_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        default=0, description="Of several addresses: the next one is tried after so many milliseconds. 0: the usual way.")
    interleave: Whole = Field(default=1, description="Of several addresses: so many of one family, then as many of the other.")
    max_concurrent_try: Whole = Field(default=4, description="Of several addresses: so many are tried at once.")

    @property
    def racing(self) -> Racing | None:
        if not self.try_delay_ms or not self.max_concurrent_try:
            return None
        return Racing(self.try_delay_ms / 1000, self.max_concurrent_try, self.interleave, self.prioritize_ipv6)


class SockoptSettings(TransportSettings):
    """Zero, empty and false leave the system's choice."""

    mark: Whole = 0
    tcp_fast_open: Annotated[int, PlainValidator(_fast_open)] = 0
    tproxy: Annotated[Literal["off", "redirect", "tproxy"], BeforeValidator(_tproxy)] = "off"
    domain_strategy: Annotated[Strategy, PlainValidator(one_of(STRATEGIES))] = Strategy.AS_IS
    dialer_proxy: str = ""
    accept_proxy_protocol: bool = False
    tcp_keep_alive_idle: Seconds = 0        # negative: off
    tcp_keep_alive_interval: Seconds = 0
    tcp_user_timeout: Whole = 0             # milliseconds
    tcp_congestion: str = Field(default="", validation_alias="tcpCongestion")
    tcp_window_clamp: Whole = 0             # bytes
    tcp_max_seg: Whole = 0                  # bytes
    v6only: bool = Field(default=False, validation_alias="v6only")
    interface: str = ""
    tcp_mptcp: bool = Field(default=False, description="Multipath TCP, where both sides have it.")
    custom_sockopt: list[CustomSockopt] = Field(default_factory=list, description="Any options, by their numbers.")
    happy_eyeballs: HappyEyeballsSettings | None = None
    trusted_x_forwarded_for: Annotated[list[Text], Split] = Field(default_factory=list, validation_alias="trustedXForwardedFor")

    not_run: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("penetrate", "addressPortStrategy"), _UNKNOWN)


def options_of(settings: SockoptSettings) -> list[tuple[int, int, int | bytes]]:
    """What `setsockopt` is called with, for a TCP socket of either side."""
    tcp = socket.IPPROTO_TCP
    found: list[tuple[int, int, int | bytes]] = []
    if settings.mark:
        found.append((socket.SOL_SOCKET, _SO_MARK, settings.mark))
    if settings.tproxy == "tproxy":
        found.append((socket.SOL_IP, IP_TRANSPARENT, 1))
    if settings.interface:
        found.append((socket.SOL_SOCKET, socket.SO_BINDTODEVICE, settings.interface.encode()))
    if settings.tcp_keep_alive_idle < 0 or settings.tcp_keep_alive_interval < 0:
        found.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0))
    elif settings.tcp_keep_alive_idle or settings.tcp_keep_alive_interval:
        found.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
        if settings.tcp_keep_alive_idle:
            found.append((tcp, socket.TCP_KEEPIDLE, settings.tcp_keep_alive_idle))
        if settings.tcp_keep_alive_interval:
            found.append((tcp, socket.TCP_KEEPINTVL, settings.tcp_keep_alive_interval))
    if settings.tcp_user_timeout:
        found.append((tcp, socket.TCP_USER_TIMEOUT, settings.tcp_user_timeout))
    if settings.tcp_congestion:
        found.append((tcp, socket.TCP_CONGESTION, settings.tcp_congestion.encode()))
    if settings.tcp_window_clamp:
        found.append((tcp, socket.TCP_WINDOW_CLAMP, settings.tcp_window_clamp))
    if settings.tcp_max_seg:
        found.append((tcp, socket.TCP_MAXSEG, settings.tcp_max_seg))
    return found


def datagram_options_of(settings: SockoptSettings) -> list[tuple[int, int, int | bytes]]:
    """The same for datagrams: what is not TCP's alone."""
    return [(level, name, value) for level, name, value in options_of(settings)
            if level == socket.SOL_SOCKET and name != socket.SO_KEEPALIVE]


class Sockopt:
    """What is done to each socket of an inbound or outbound. Raises OSError where the system does not allow it."""

    __slots__ = ("_custom", "_datagram_options", "_fast_open", "_local", "_local_address", "_options", "_tproxy", "_v6only",
                 "is_multipath", "racing")

    def __init__(self, settings: SockoptSettings, local_address: LocalAddress | None = None) -> None:
        """`local_address`: where outgoing connections come from; one that varies is chosen by `for_one`."""
        self._options = options_of(settings)
        self._datagram_options = datagram_options_of(settings)
        self._custom = [(one.network, one.as_set) for one in settings.custom_sockopt if one.is_for_this_system]
        self.is_multipath = settings.tcp_mptcp
        self.racing = None if settings.happy_eyeballs is None else settings.happy_eyeballs.racing
        self._fast_open = settings.tcp_fast_open
        self._v6only = settings.v6only
        self._tproxy = settings.tproxy
        self._local = "" if local_address is None else local_address.fixed
        self._local_address = None if self._local else local_address

    def for_one(self) -> Self:
        """For one outgoing connection or flow, that is opened now."""
        if self._local_address is None:
            return self
        chosen = copy(self)
        chosen._local = self._local_address.pick()
        return chosen

    @property
    def local_family(self) -> socket.AddressFamily | None:
        """The only family that can be dialled; None: both."""
        if not self._local:
            return None
        return socket.AF_INET6 if ":" in self._local else socket.AF_INET

    @property
    def listen_key(self) -> Hashable:
        """Equal where `before_listen` does the same."""
        return tuple(self._options), tuple(self._custom), self._fast_open, self._v6only, self.is_multipath

    @property
    def datagram_key(self) -> Hashable:
        """The same of a socket for datagrams."""
        return tuple(self._datagram_options), tuple(self._custom), self.tells_targets, self._v6only

    @property
    def tells_targets(self) -> bool:
        """Whether TPROXY may send datagrams to a listening socket."""
        return self._tproxy == "tproxy"

    def before_listen(self, sock: socket.socket) -> None:
        """What is set on a listening socket goes over to what it accepts."""
        if sock.type == socket.SOCK_DGRAM:
            self.before_send(sock, binds=False)
            if self.tells_targets:
                ask_for_targets(sock)
            if self._v6only and sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            return
        self.apply(sock)
        if self._fast_open > 0:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, self._fast_open)
        if self._v6only and sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)

    def before_connect(self, sock: socket.socket) -> None:
        self.apply(sock)
        if self._fast_open > 0:
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_FASTOPEN_CONNECT, 1)
        if self._local:
            sock.bind((self._local, 0))

    def before_send(self, sock: socket.socket, *, binds: bool = True) -> None:
        """Of a socket for datagrams."""
        for level, name, value in self._datagram_options:
            sock.setsockopt(level, name, value)
        self._apply_custom(sock, "udp")
        if self._local and binds:
            sock.bind((self._local, 0))

    def apply(self, sock: socket.socket) -> None:
        for level, name, value in self._options:
            sock.setsockopt(level, name, value)
        self._apply_custom(sock, "tcp")

    def _apply_custom(self, sock: socket.socket, network: str) -> None:
        network += "6" if sock.family == socket.AF_INET6 else "4"
        for beginning, option in self._custom:
            if network.startswith(beginning):
                sock.setsockopt(*option)

    def target_of(self, sock: socket.socket) -> HostPort | None:
        """Where an accepted connection was going, if the system may have sent it here; None: here, as far as is known.

        Raises OSError.
        """
        if self._tproxy == "redirect":
            return redirected_from(sock)
        if self._tproxy == "tproxy":
            name = sock.getsockname()
            return name[0], name[1]
        return None
