"""loopback: what is sent here goes through the router again, as if it had come by another inbound."""

from proxycore.protocols.base import OutboundSide, ProtocolSpec


def _outbound() -> OutboundSide:
    from proxycore.protocols.loopback.outbound import LoopbackOutbound
    from proxycore.protocols.loopback.settings import LoopbackSettings

    return OutboundSide(settings=LoopbackSettings, build=LoopbackOutbound)


PROTOCOL = ProtocolSpec(
    name="loopback",
    title="Route again",
    load_outbound=_outbound,
)
