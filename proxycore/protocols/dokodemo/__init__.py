"""dokodemo-door (newer name: tunnel): everything that arrives on a port goes to one fixed destination."""

from proxycore.protocols.base import InboundSide, ProtocolSpec
from proxycore.protocols.dokodemo.inbound import DokodemoInbound
from proxycore.protocols.dokodemo.settings import DokodemoSettings

PROTOCOL = ProtocolSpec(
    name="dokodemo-door",
    title="Fixed destination",
    aliases=("tunnel",),
    inbound=InboundSide(settings=DokodemoSettings, build=DokodemoInbound),
)
