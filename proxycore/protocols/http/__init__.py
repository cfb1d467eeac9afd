"""HTTP proxy, both sides: CONNECT, and on the inbound plain requests."""

from proxycore.protocols.base import InboundSide, OutboundSide, ProtocolSpec


def _inbound() -> InboundSide:
    from proxycore.protocols.http.inbound import HttpInbound
    from proxycore.protocols.http.settings import HttpInboundSettings

    return InboundSide(settings=HttpInboundSettings, build=HttpInbound)


def _outbound() -> OutboundSide:
    from proxycore.protocols.http.outbound import HttpOutbound
    from proxycore.protocols.http.settings import HttpOutboundSettings

    return OutboundSide(settings=HttpOutboundSettings, build=HttpOutbound)


PROTOCOL = ProtocolSpec(
    name="http",
    title="HTTP proxy",
    load_inbound=_inbound,
    load_outbound=_outbound,
)
