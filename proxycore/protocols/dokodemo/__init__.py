"""dokodemo-door (newer name: tunnel): everything that arrives on a port goes to one fixed destination."""

from proxycore.protocols.base import InboundSide, ProtocolSpec


def _inbound() -> InboundSide:
    from proxycore.protocols.dokodemo.inbound import DokodemoInbound
    from proxycore.protocols.dokodemo.settings import DokodemoSettings

    return InboundSide(settings=DokodemoSettings, build=DokodemoInbound)


PROTOCOL = ProtocolSpec(
    name="dokodemo-door",
    title="Fixed destination",
    aliases=("tunnel",),
    load_inbound=_inbound,
)
