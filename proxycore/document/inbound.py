"""An entry of `inbounds`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator, ValidationInfo

from proxycore.destination import IPAddress, unmapped
from proxycore.document.shape import Shape
from proxycore.document.sniffing import Sniffing
from proxycore.document.stream_settings import StreamSettings
from proxycore.net.unix import UnixAddress, is_unix, parse_unix
from proxycore.routing.ports import PortRange, parse_ports

ENVIRON = "environ"         # key of the validation context: environment variables, for `env:NAME`


def read_ports(value: object, info: ValidationInfo) -> tuple[PortRange, ...]:
    """A port list, with `env:NAME` from the validation context."""
    return parse_ports(value, (info.context or {}).get(ENVIRON, os.environ))


PortList = Annotated[tuple[PortRange, ...], PlainValidator(read_ports)]


def _listen(value: object) -> IPAddress | UnixAddress | None:
    if not isinstance(value, str):
        raise ValueError("an IP address as text is expected")
    text = value.strip()
    if not text:
        return None
    if is_unix(text):
        return parse_unix(text)
    if text.lower() == "localhost":
        return ip_address("127.0.0.1")
    try:
        return unmapped(ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise ValueError('an IP address of this host, "localhost" or the path of a unix socket is expected') from None


class InboundShape(Shape):
    """`listen` None: all addresses, IPv4 and IPv6. `port` may be missing only beside a unix socket, which has none."""

    tag: str = ""
    listen: Annotated[IPAddress | UnixAddress | None, PlainValidator(_listen)] = None
    port: PortList | None = None
    protocol: str
    settings: dict[str, Any] = Field(default_factory=dict)
    stream_settings: StreamSettings | None = None
    sniffing: Sniffing | None = None

    no_effect: ClassVar[Mapping[str, str]] = {"allocate": "Xray ignores it too"}
