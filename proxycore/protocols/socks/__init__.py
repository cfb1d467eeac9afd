"""SOCKS 4, 4a and 5, both sides. The inbound also takes HTTP proxy clients on the same port; `mixed` is its newer name."""

from proxycore.protocols.base import InboundSide, OutboundSide, ProtocolSpec
from proxycore.protocols.socks.inbound import SocksInbound
from proxycore.protocols.socks.outbound import SocksOutbound
from proxycore.protocols.socks.settings import SocksInboundSettings, SocksOutboundSettings

PROTOCOL = ProtocolSpec(
    name="socks",
    title="SOCKS",
    aliases=("mixed",),
    inbound=InboundSide(settings=SocksInboundSettings, build=SocksInbound),
    outbound=OutboundSide(settings=SocksOutboundSettings, build=SocksOutbound),
)
