"""blackhole (newer name: block): what is sent here ends."""

from proxycore.protocols.base import OutboundSide, ProtocolSpec
from proxycore.protocols.blackhole.outbound import BlackholeOutbound
from proxycore.protocols.blackhole.settings import BlackholeSettings

PROTOCOL = ProtocolSpec(
    name="blackhole",
    title="Block",
    aliases=("block",),
    outbound=OutboundSide(settings=BlackholeSettings, build=BlackholeOutbound),
)
