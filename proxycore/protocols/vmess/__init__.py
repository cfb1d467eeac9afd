"""VMess with AEAD headers. Both sides:

    settings.py        what a document says                       ids.py, kdf.py     from a text to keys
    header_codec.py    the two sealed headers                     body_ciphers.py, body_codec.py   the chunks
    authenticator.py   whose request this is, with replay.py      drain.py           how a failed handshake is read on
    inbound.py, outbound.py    the drivers, over faces.py
"""

from __future__ import annotations

from proxycore.protocols.base import InboundSide, OutboundSide, ProtocolSpec


def _inbound() -> InboundSide:
    from proxycore.protocols.vmess.inbound import VmessInbound
    from proxycore.protocols.vmess.settings import VmessInboundSettings

    return InboundSide(settings=VmessInboundSettings, build=VmessInbound)


def _outbound() -> OutboundSide:
    from proxycore.protocols.vmess.outbound import VmessOutbound
    from proxycore.protocols.vmess.settings import VmessOutboundSettings

    return OutboundSide(settings=VmessOutboundSettings, build=VmessOutbound)


PROTOCOL = ProtocolSpec(
    name="vmess",
    title="VMess",
    is_carrier=True,
    load_inbound=_inbound,
    load_outbound=_outbound,
)
