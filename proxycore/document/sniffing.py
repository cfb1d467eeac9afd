"""The `sniffing` object of an inbound."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainValidator

from proxycore.document.entries import Addresses, Domains
from proxycore.document.jsonc import Loc
from proxycore.document.report import Report
from proxycore.document.shape import Shape
from proxycore.document.words import Split, one_of
from proxycore.sniff.policy import SniffPolicy

_FAKE_DNS = "fakedns"
_PROTOCOLS = {
    "http": "http", "tls": "tls", "https": "tls", "ssl": "tls", "quic": "quic", "fakedns": _FAKE_DNS, "fakedns+others": _FAKE_DNS,
}


class Sniffing(Shape):
    enabled: bool = False
    dest_override: Annotated[list[Annotated[str, PlainValidator(one_of(_PROTOCOLS))]], Split] = Field(default_factory=list)
    domains_excluded: Domains = Field(default_factory=list)
    ips_excluded: Addresses = Field(default_factory=list)
    metadata_only: bool = False
    route_only: bool = False

    def policy(self, loc: Loc, report: Report) -> SniffPolicy | None:
        """What is run of it; None: nothing. `loc` is its place."""
        if not self.enabled:
            return None
        if self.metadata_only:
            report.warn((*loc, "metadataOnly"), "so nothing is sniffed: only fakedns, which is not run, has names there")
            return None
        if _FAKE_DNS in self.dest_override:
            report.warn((*loc, "destOverride"), "fakedns is known to Xray, not run by this version; it has no effect")
        overrides = [protocol for protocol in self.dest_override if protocol != _FAKE_DNS]
        return SniffPolicy(overrides, self.domains_excluded, self.ips_excluded, route_only=self.route_only)
