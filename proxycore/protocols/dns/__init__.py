"""dns: questions about names that arrive here are answered by the built-in DNS, or handed on to their server."""

from proxycore.protocols.base import OutboundSide, ProtocolSpec
from proxycore.protocols.dns.outbound import DnsOutbound
from proxycore.protocols.dns.settings import DnsSettings

PROTOCOL = ProtocolSpec(
    name="dns",
    title="DNS",
    outbound=OutboundSide(settings=DnsSettings, build=DnsOutbound),
)
