"""freedom (newer name: direct): connections to the destinations themselves."""

from proxycore.protocols.base import OutboundSide, ProtocolSpec


def _outbound() -> OutboundSide:
    from proxycore.protocols.freedom.outbound import FreedomOutbound
    from proxycore.protocols.freedom.settings import FreedomSettings

    return OutboundSide(settings=FreedomSettings, build=FreedomOutbound)


PROTOCOL = ProtocolSpec(
    name="freedom",
    title="Direct",
    aliases=("direct",),
    load_outbound=_outbound,
)
