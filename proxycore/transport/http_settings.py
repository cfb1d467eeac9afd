"""What a document says about WebSocket, HTTPUpgrade, and the HTTP header of raw connections.

Source: Xray-core infra/conf/transport_method.go, transport/internet/headers/http/http.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar
from urllib.parse import parse_qsl, urlencode

from pydantic import BeforeValidator, Field, PlainValidator, field_validator

from proxycore.document.words import Split, Text
from proxycore.transport.base import TransportSettings

MAX_EARLY_BYTES = 4096              # their base64 has to fit into a head of 8192 bytes
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def _one_line(text: str) -> str:
    if any(ord(letter) < 0x20 or ord(letter) > 0xFF for letter in text):
        raise ValueError("it has characters that a header cannot have")
    return text


def _path(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is expected")
    if " " in value or not value.isascii():
        raise ValueError("a path in its written form is expected, without blanks (%20)")
    return _one_line(value if value.startswith("/") else f"/{value}")


def _host(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is expected")
    return _one_line(value)


def read_headers(value: object) -> dict[str, str]:
    """Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError("an object of names and values is expected")
    for name, item in value.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f'"{name[:40]}" cannot be the name of a header')
        if not isinstance(item, str):
            raise ValueError(f"text is expected for {name}")
        _one_line(item)
    return dict(value)


class UpgradeSettings(TransportSettings):
    """What WebSocket and HTTPUpgrade have in common. In `path`, `?ed=` counts on the client's side only."""

    path: Annotated[str, PlainValidator(_path)] = "/"
    host: Annotated[str, PlainValidator(_host)] = ""
    headers: Annotated[dict[str, str], PlainValidator(read_headers)] = Field(default_factory=dict)
    accept_proxy_protocol: bool = False

    @property
    def plain_path(self) -> str:
        """What a server compares."""
        return self.path.partition("?")[0]

    @property
    def target(self) -> str:
        """What a client asks for: the path with its query, `ed` left out."""
        path, mark, query = self.path.partition("?")
        items = [item for item in parse_qsl(query, keep_blank_values=True) if item[0] != "ed"]
        return f"{path}?{urlencode(items)}" if mark and items else path

    @property
    def early_bytes(self) -> int:
        """`?ed=`: first bytes that may travel with the request."""
        text = dict(parse_qsl(self.path.partition("?")[2])).get("ed", "")
        return min(int(text[:9]), MAX_EARLY_BYTES) if text.isascii() and text.isdigit() else 0

    @property
    def written_host(self) -> str:
        """`host`, or the header's, which is how V2Ray has it."""
        return self.host or next((value for name, value in self.headers.items() if name.lower() == "host"), "")

    @property
    def extra_headers(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.headers.items() if name.lower() != "host"]


class WebSocketSettings(UpgradeSettings):
    """`heartbeat_period`: seconds between pings, 0 for none."""

    heartbeat_period: Annotated[int, Field(ge=0, le=3600)] = 0

    no_effect: ClassVar[Mapping[str, str]] = {"useBrowserForwarding": "browsers are not used"}
    not_run: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("maxEarlyData", "earlyDataHeaderName"), "is known to V2Ray, not run by this version; write ?ed=2048 after the path")


class HttpUpgradeSettings(UpgradeSettings):
    @field_validator("headers")
    @classmethod
    def _host_has_its_field(cls, headers: dict[str, str]) -> dict[str, str]:
        if any(name.lower() == "host" for name in headers):
            raise ValueError('"host" is a field of its own')
        return headers


def _lists(value: object) -> object:
    """Each header has a list of values; one text is a list of one."""
    if not isinstance(value, dict):
        raise ValueError("an object of names and lists is expected")
    found: dict[str, tuple[str, ...]] = {}
    for name, items in value.items():
        read_headers(dict.fromkeys([name], ""))
        listed = [items] if isinstance(items, str) else items
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise ValueError(f"a list of texts is expected for {name}")
        found[name] = tuple(_one_line(item) for item in listed)
    return found


Line = Annotated[str, BeforeValidator(_host)]


class HeaderRequest(TransportSettings):
    version: Line = "1.1"
    method: Line = "GET"
    path: Annotated[list[Text], Split] = Field(default_factory=lambda: ["/"])
    headers: Annotated[dict[str, tuple[str, ...]] | None, PlainValidator(_lists)] = None


class HeaderResponse(TransportSettings):
    version: Line = "1.1"
    status: Line = "200"
    reason: Line = "OK"
    headers: Annotated[dict[str, tuple[str, ...]] | None, PlainValidator(_lists)] = None


def _header_type(value: object) -> str:
    if not isinstance(value, str) or value.lower() not in ("", "none", "http"):
        raise ValueError('"none" or "http" is expected')
    return value.lower() or "none"


class RawHeader(TransportSettings):
    type: Annotated[str, BeforeValidator(_header_type)] = "none"
    request: HeaderRequest = HeaderRequest()
    response: HeaderResponse = HeaderResponse()


class RawSettings(TransportSettings):
    header: RawHeader = RawHeader()
    accept_proxy_protocol: bool = False


__all__ = ["HttpUpgradeSettings", "RawHeader", "RawSettings", "UpgradeSettings", "WebSocketSettings", "read_headers"]
