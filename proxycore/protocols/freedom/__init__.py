"""freedom (newer name: direct): connections to the destinations themselves."""

from proxycore.protocols.base import OutboundSide, ProtocolSpec
from proxycore.protocols.freedom.outbound import FreedomOutbound
from proxycore.protocols.freedom.settings import FreedomSettings

PROTOCOL = ProtocolSpec(
    name="freedom",
    title="Direct",
    aliases=("direct",),
    outbound=OutboundSide(settings=FreedomSettings, build=FreedomOutbound),
)
