"""The VLESS client. The request goes out with the first data of the same loop turn, or alone right after it: who is spoken
to first is not held up. The answer's header is not waited for, because servers send it with their first data."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import cycle

from proxycore.destination import Destination, Request, parse_host
from proxycore.errors import PeerError, UsageError
from proxycore.mux.pool import MUX_DOMAIN
from proxycore.protocols.base import Outbound, OutboundContext
from proxycore.protocols.vless.header_codec import Command, encode_request
from proxycore.protocols.vless.packet_faces import DatagramFace, PacketFace
from proxycore.protocols.vless.settings import VlessOutboundSettings
from proxycore.protocols.vless.stream_faces import RequestFace, ResponseFace
from proxycore.stream import NULL_PACKETS, NULL_STREAM, PacketStream, Stream

REVERSE_DESTINATION = Destination("tcp", "v1.rvs.cool", 0)
"""What cores call the destination of a carrier of VLESS's own reverse tunnel."""


class VlessOutbound(Outbound):
    """One configured VLESS client. Several servers take turns, and so do the users of each."""

    def __init__(self, settings: VlessOutboundSettings, context: OutboundContext) -> None:
        self.tag = context.tag
        self._dial = context.dial
        self._servers: Iterator[tuple[Destination, Iterator[bytes]]] = cycle([
            (Destination("tcp", parse_host(server.address), server.port), cycle([user.user_id for user in server.users]))
            for server in settings.servers])
        if settings.reverse is not None:
            if context.keep_tunnel is None:
                raise UsageError("an outbound with a reverse tunnel needs somebody who keeps it open")
            origin = Request(REVERSE_DESTINATION, settings.reverse.tag, user=settings.email, level=settings.level)
            context.keep_tunnel(origin, self._open_carrier)

    def open(self, request: Request, stream: Stream) -> None:
        if request.destination.host == MUX_DOMAIN:
            self._join(Command.MUX, None, stream)
        else:
            self._join(Command.TCP, request.destination, stream)

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        packets.peer = NULL_PACKETS
        server, user_id = self._next()
        try:
            header = encode_request(user_id, Command.UDP, request.destination)
        except PeerError:
            packets.close()
            return
        lower = self._dial(server)
        plain = PacketFace(lower, header, request.destination)
        plain.peer, packets.peer = packets, plain
        lower.peer = ResponseFace(lower, DatagramFace(plain))
        asyncio.get_running_loop().call_soon(plain.send_header)

    def _open_carrier(self, carrier: Stream) -> None:
        self._join(Command.REVERSE, None, carrier)

    def _join(self, command: Command, destination: Destination | None, stream: Stream) -> None:
        stream.peer = NULL_STREAM
        server, user_id = self._next()
        try:
            header = encode_request(user_id, command, destination)
        except PeerError as error:
            stream.abort(error)
            return
        lower = self._dial(server)
        response = ResponseFace(lower, stream)
        lower.peer = response
        face = RequestFace(lower, response, header)
        stream.peer = face
        asyncio.get_running_loop().call_soon(face.send_header)

    def _next(self) -> tuple[Destination, bytes]:
        server, user_ids = next(self._servers)
        return server, next(user_ids)
