"""VLESS, version 0: an id and a destination before a plain stream. Both sides, and the reverse tunnel of its own:

    settings.py, fallback_settings.py   what a document says
    header_codec.py, packet_codec.py    bytes <-> headers, datagrams
    users.py                            whose request this is
    inbound.py, outbound.py             the drivers, over stream_faces.py and packet_faces.py
    fallback.py                         where a connection goes that is not VLESS
"""

from __future__ import annotations

from proxycore.protocols.base import InboundSide, OutboundSide, ProtocolSpec


def _inbound() -> InboundSide:
    from proxycore.protocols.vless.inbound import VlessInbound
    from proxycore.protocols.vless.settings import VlessInboundSettings

    return InboundSide(settings=VlessInboundSettings, build=VlessInbound)


def _outbound() -> OutboundSide:
    from proxycore.protocols.vless.outbound import VlessOutbound
    from proxycore.protocols.vless.settings import VlessOutboundSettings

    return OutboundSide(settings=VlessOutboundSettings, build=VlessOutbound)


PROTOCOL = ProtocolSpec(
    name="vless",
    title="VLESS",
    is_carrier=True,
    load_inbound=_inbound,
    load_outbound=_outbound,
)
