"""blackhole (newer name: block): what is sent here ends."""

from proxycore.protocols.base import OutboundSide, ProtocolSpec


def _outbound() -> OutboundSide:
    from proxycore.protocols.blackhole.outbound import BlackholeOutbound
    from proxycore.protocols.blackhole.settings import BlackholeSettings

    return OutboundSide(settings=BlackholeSettings, build=BlackholeOutbound)


PROTOCOL = ProtocolSpec(
    name="blackhole",
    title="Block",
    aliases=("block",),
    load_outbound=_outbound,
)
