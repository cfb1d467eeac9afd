"""An entry of `outbounds`, with its `mux`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from proxycore.document.shape import Shape
from proxycore.document.stream_settings import StreamSettings
from proxycore.document.words import one_of
from proxycore.net.resolve import Strategy
from proxycore.send_through import read_send_through
from proxycore.transport.sockopt import STRATEGIES

DEFAULT_CONCURRENCY = 8


def _send_through(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("an IP address as text is expected")
    return read_send_through(value)


class ProxySettings(Shape):
    """The outbound that this one dials through. `transport_layer`: with the whole transport, as `dialerProxy`."""

    tag: str = ""
    transport_layer: bool = False


class Mux(Shape):
    """Mux.cool over this outbound. `concurrency`: live sessions on one carrier at most; negative: TCP is not muxed.

    `xudp_concurrency`: 0, UDP shares the carriers of TCP; above, its own carriers; below, UDP is not muxed.
    """

    enabled: bool = False
    concurrency: Annotated[int, Field(ge=-32768, le=32767)] = 0
    xudp_concurrency: Annotated[int, Field(ge=-32768, le=32767)] = 0
    xudp_proxy_udp443: Literal["", "reject", "allow", "skip"] = Field(default="", validation_alias="xudpProxyUDP443")

    @property
    def tcp_concurrency(self) -> int:
        """`concurrency` with its default filled in."""
        return self.concurrency or DEFAULT_CONCURRENCY

    @property
    def udp443(self) -> Literal["reject", "allow", "skip"]:
        """What happens to UDP to port 443, with the default filled in."""
        return self.xudp_proxy_udp443 or "reject"


class OutboundShape(Shape):
    tag: str = ""
    protocol: str
    settings: dict[str, Any] = Field(default_factory=dict)
    stream_settings: StreamSettings | None = None
    mux: Mux = Mux()
    send_through: Annotated[str, BeforeValidator(_send_through)] = ""
    proxy_settings: ProxySettings = ProxySettings()
    target_strategy: Annotated[Strategy, PlainValidator(one_of(STRATEGIES))] = Strategy.AS_IS
