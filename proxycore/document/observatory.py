"""`observatory` and `burstObservatory`. Source: Xray-core infra/conf/observatory.go, app/observatory."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, PlainValidator

from proxycore.document.balancers import Beginnings
from proxycore.document.duration import NS_PER_S, Duration
from proxycore.document.shape import Shape
from proxycore.observatory.probe_url import ProbeUrl, parse_probe_url
from proxycore.observatory.settings import (
    DEFAULT_BURST_INTERVAL_S,
    DEFAULT_BURST_URL,
    DEFAULT_PROBE_INTERVAL_S,
    DEFAULT_PROBE_URL,
    DEFAULT_SAMPLING,
    LEAST_BURST_INTERVAL_S,
    LEAST_PROBE_INTERVAL_S,
    MAX_SAMPLING,
    PROBE_TIMEOUT_S,
    BurstSettings,
    ObservatorySettings,
)

_METHOD = re.compile(r"[A-Z]{1,16}")
_NO_METHODS = ("CONNECT",)


def _url(value: object) -> ProbeUrl | None:
    if not isinstance(value, str):
        raise ValueError("a URL as text is expected")
    return parse_probe_url(value) if value.strip() else None


def _method(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("an HTTP method as text is expected")
    method = value.strip().upper()
    if method and (not _METHOD.fullmatch(method) or method in _NO_METHODS):
        raise ValueError("an HTTP method such as HEAD or GET is expected")
    return method or "HEAD"


Url = Annotated[ProbeUrl | None, PlainValidator(_url)]


class ObservatoryShape(Shape):
    subject_selector: Beginnings = Field(default_factory=list)
    probe_url: Url = Field(default=None, validation_alias="probeURL")
    probe_interval: Duration = 0
    enable_concurrency: bool = False

    def settings(self) -> ObservatorySettings:
        interval_s = max(self.probe_interval / NS_PER_S, LEAST_PROBE_INTERVAL_S)
        return ObservatorySettings(
            "observatory", tuple(self.subject_selector), self.probe_url or parse_probe_url(DEFAULT_PROBE_URL),
            interval_s if self.probe_interval else DEFAULT_PROBE_INTERVAL_S, self.enable_concurrency)


class PingShape(Shape):
    destination: Url = None
    connectivity: Url = None
    interval: Duration = 0
    sampling: Annotated[int, Field(le=MAX_SAMPLING)] = 0
    timeout: Duration = 0
    http_method: Annotated[str, PlainValidator(_method)] = "HEAD"

    @property
    def is_hurried(self) -> bool:
        """Whether the interval is shorter than what is used then."""
        return self.interval != 0 and self.interval < LEAST_BURST_INTERVAL_S * NS_PER_S


class BurstShape(Shape):
    subject_selector: Beginnings = Field(default_factory=list)
    ping_config: PingShape

    def settings(self) -> BurstSettings:
        ping = self.ping_config
        interval_s = max(ping.interval / NS_PER_S, LEAST_BURST_INTERVAL_S) if ping.interval else DEFAULT_BURST_INTERVAL_S
        return BurstSettings(
            "burstObservatory", tuple(self.subject_selector), ping.destination or parse_probe_url(DEFAULT_BURST_URL),
            ping.connectivity, interval_s, ping.sampling if ping.sampling > 0 else DEFAULT_SAMPLING,
            ping.timeout / NS_PER_S if ping.timeout > 0 else PROBE_TIMEOUT_S, ping.http_method)
