"""loopback: what is sent here goes through the router again, as if it had come by another inbound."""

from proxycore.protocols.base import OutboundSide, ProtocolSpec
from proxycore.protocols.loopback.outbound import LoopbackOutbound
from proxycore.protocols.loopback.settings import LoopbackSettings

PROTOCOL = ProtocolSpec(
    name="loopback",
    title="Route again",
    outbound=OutboundSide(settings=LoopbackSettings, build=LoopbackOutbound),
)
