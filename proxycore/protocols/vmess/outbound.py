"""The VMess client. The header goes out with the first data of the same loop turn, or alone right after it: who is spoken
to first is not held up. The answer's header is not waited for, because servers send it with their first data."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from itertools import cycle
from typing import NamedTuple

from proxycore.destination import Destination, Request, parse_host
from proxycore.errors import PeerError
from proxycore.protocols.base import Outbound, OutboundContext
from proxycore.protocols.vmess.body_codec import PaddingSource, body_decoder, body_encoder
from proxycore.protocols.vmess.faces import PacketFace, Plain, PlainFace, SealedFace
from proxycore.protocols.vmess.header_codec import (
    MAX_HEADER_PADDING,
    MUX_HOST,
    NONCE_BYTES,
    Command,
    Option,
    RequestHeader,
    ResponseDecoder,
    Security,
    encode_auth_id,
    encode_plain_request,
    seal_request,
)
from proxycore.protocols.vmess.ids import command_key
from proxycore.protocols.vmess.settings import VmessOutboundSettings, VmessUser
from proxycore.stream import NULL_PACKETS, NULL_STREAM, Buffer, PacketStream, Stream

_MASKED = Option.CHUNK_STREAM | Option.CHUNK_MASKING
_PADDED = _MASKED | Option.GLOBAL_PADDING
_SECURITY = {
    "auto": (Security.AES_128_GCM, _PADDED),
    "aes-128-gcm": (Security.AES_128_GCM, _PADDED),
    "chacha20-poly1305": (Security.CHACHA20_POLY1305, _PADDED),
    "none": (Security.NONE, _MASKED),
    "zero": (Security.NONE, Option(0)),
}


class Account(NamedTuple):
    """As whom a request is made, and how."""

    command_key: bytes
    security: Security
    options: int
    marks_end: bool


class VmessOutbound(Outbound):
    """One configured VMess client. Several servers take turns, and so do the users of each."""

    def __init__(self, settings: VmessOutboundSettings, context: OutboundContext) -> None:
        self.tag = context.tag
        self._dial = context.dial
        self._now = context.now
        self._padding = PaddingSource(os.urandom)
        self._servers: Iterator[tuple[Destination, Iterator[Account]]] = cycle([
            (Destination("tcp", parse_host(server.address), server.port), cycle([_account(user) for user in server.users]))
            for server in settings.servers])

    def open(self, request: Request, stream: Stream) -> None:
        stream.peer = NULL_STREAM
        server, account = self._next()
        command = Command.MUX if request.destination.host == MUX_HOST else Command.TCP
        try:
            header, wire = self._request(account, command, request.destination)
        except PeerError as error:
            stream.abort(error)
            return
        lower = self._dial(server)
        plain = PlainFace(lower, body_encoder(header, self._padding, is_response=False), wire, marks_end=account.marks_end)
        plain.peer, stream.peer = stream, plain
        lower.peer = ResponseFace(plain, header, lower)
        asyncio.get_running_loop().call_soon(plain.send_header)

    def open_packets(self, request: Request, packets: PacketStream) -> None:
        packets.peer = NULL_PACKETS
        server, account = self._next()
        try:
            header, wire = self._request(account, Command.UDP, request.destination)
        except PeerError:
            packets.close()
            return
        lower = self._dial(server)
        plain = PacketFace(lower, body_encoder(header, self._padding, is_response=False), wire,
                           marks_end=account.marks_end, destination=request.destination)
        plain.peer, packets.peer = packets, plain
        lower.peer = ResponseFace(plain, header, lower)
        asyncio.get_running_loop().call_soon(plain.send_header)

    def _next(self) -> tuple[Destination, Account]:
        server, accounts = next(self._servers)
        return server, next(accounts)

    def _request(self, account: Account, command: Command, destination: Destination) -> tuple[RequestHeader, bytes]:
        """A new request, and its header on the wire. Raises: PeerError, a destination that cannot be written."""
        random = os.urandom(16 + 16 + 4 + NONCE_BYTES + 2 + MAX_HEADER_PADDING)
        body_iv, body_key, for_auth_id, nonce = random[:16], random[16:32], random[32:36], random[36:44]
        response_v, padding = random[44], random[46:46 + random[45] % (MAX_HEADER_PADDING + 1)]
        header = RequestHeader(body_iv, body_key, response_v, account.options, account.security, command, destination)
        auth_id = encode_auth_id(account.command_key, int(self._now()), for_auth_id)
        return header, seal_request(account.command_key, auth_id, nonce, encode_plain_request(header, padding))


class ResponseFace(SealedFace):
    """The lower stream's peer until the response header has come. That it never does is a clean, empty answer."""

    __slots__ = ("_header", "_lower", "_request")

    def __init__(self, plain: Plain, request: RequestHeader, lower: Stream) -> None:
        self._plain = plain
        self._request = request
        self._lower = lower
        self._header: ResponseDecoder | None = ResponseDecoder(request)

    def write(self, data: Buffer) -> None:
        header = self._header
        if header is None:          # a neighbour may still hold us for the turn in which the header came
            super().write(data)
            return
        try:
            if not header.feed(data):
                return
        except PeerError as error:
            self._plain.fail(error)
            return
        self._header = None
        self._decoder = body_decoder(self._request, is_response=True)
        self._lower.peer = SealedFace(self._plain, self._decoder)
        if len(header.rest):
            super().write(header.rest)

    def _may_end(self) -> bool:
        return super()._may_end() if self._header is None else not self._header.has_begun


def _account(user: VmessUser) -> Account:
    security, options = _SECURITY[user.security]
    if user.seals_lengths and security is not Security.NONE:
        options |= Option.AUTHENTICATED_LENGTH
    return Account(command_key(user.user_id), security, options,
                   marks_end=user.sends_end_mark and bool(options & Option.CHUNK_STREAM))
