"""SOCKS 4, 4a and 5, both sides. The inbound also takes HTTP proxy clients on the same port; `mixed` is its newer name."""

from proxycore.protocols.base import InboundSide, OutboundSide, ProtocolSpec


def _inbound() -> InboundSide:
    from proxycore.protocols.socks.inbound import SocksInbound
    from proxycore.protocols.socks.settings import SocksInboundSettings

    return InboundSide(settings=SocksInboundSettings, build=SocksInbound)


def _outbound() -> OutboundSide:
    from proxycore.protocols.socks.outbound import SocksOutbound
    from proxycore.protocols.socks.settings import SocksOutboundSettings

    return OutboundSide(settings=SocksOutboundSettings, build=SocksOutbound)


PROTOCOL = ProtocolSpec(
    name="socks",
    title="SOCKS",
    aliases=("mixed",),
    load_inbound=_inbound,
    load_outbound=_outbound,
)
