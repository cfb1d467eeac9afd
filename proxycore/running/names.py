"""How names become addresses: the `dns` section at work, or the system's resolver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxycore.destination import IPAddress, Request
from proxycore.dns.answer import Answer, Families
from proxycore.dns.build import Ways, build_dns
from proxycore.dns.dns import Dns
from proxycore.net.dial import Dialer
from proxycore.net.resolve import Strategy, resolve
from proxycore.running.change import Change, Phase
from proxycore.running.ground import Ground

if TYPE_CHECKING:
    from proxycore.document.dns import DnsSection

LAST_QUESTIONS_S = 30.0
"""How long questions that are under way may still be answered when the section has changed."""


class RunningNames:
    """What one document says of names."""

    __slots__ = ("dns", "section")

    def __init__(self, section: DnsSection | None, dns: Dns) -> None:
        self.section = section
        self.dns = dns

    async def resolve(self, host: str, strategy: Strategy = Strategy.AS_IS) -> Sequence[IPAddress]:
        """What dials look names up by. Raises: DialError."""
        return await (resolve if self.section is None else self.dns.resolve)(host, strategy)

    async def lookup(self, host: str, families: Families) -> Answer:
        """Raises: ProxyError, the servers cannot tell."""
        return await self.dns.lookup(host, families)

    def is_own(self, request: Request) -> bool:
        return self.dns.is_own(request)

    def close(self) -> None:
        self.dns.close()


def prepare_names(section: DnsSection | None, running: RunningNames | None, ground: Ground, change: Change) -> RunningNames:
    """What was looked up is remembered where the section is the same. Raises: ConfigError."""
    if running is not None and running.section == section:
        return running
    dial = Dialer(ground.poller, ground.wheel, ground.clients, is_carrier=False).dial
    ways = Ways(ground.loop, ground.wheel, ground.dispatcher, dial, resolve, ground.tell_answered)
    names = RunningNames(section, build_dns(section, ways))
    change.on_undo(names.close)
    change.on_commit(Phase.SWAP, ground.set_names, names)
    if running is not None:
        change.on_commit(Phase.RETIRE, ground.loop.call_later, LAST_QUESTIONS_S, running.close)
    return names
