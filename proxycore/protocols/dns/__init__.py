"""dns: questions about names that arrive here are answered by the built-in DNS, or handed on to their server."""

from proxycore.protocols.base import OutboundSide, ProtocolSpec


def _outbound() -> OutboundSide:
    from proxycore.protocols.dns.outbound import DnsOutbound
    from proxycore.protocols.dns.settings import DnsSettings

    return OutboundSide(settings=DnsSettings, build=DnsOutbound)


PROTOCOL = ProtocolSpec(
    name="dns",
    title="DNS",
    load_outbound=_outbound,
)
