"""HTTP proxy, both sides: CONNECT, and on the inbound plain requests."""

from proxycore.protocols.base import InboundSide, OutboundSide, ProtocolSpec
from proxycore.protocols.http.inbound import HttpInbound
from proxycore.protocols.http.outbound import HttpOutbound
from proxycore.protocols.http.settings import HttpInboundSettings, HttpOutboundSettings

PROTOCOL = ProtocolSpec(
    name="http",
    title="HTTP proxy",
    inbound=InboundSide(settings=HttpInboundSettings, build=HttpInbound),
    outbound=OutboundSide(settings=HttpOutboundSettings, build=HttpOutbound),
)
