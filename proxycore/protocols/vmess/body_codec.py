"""The body of a VMess request or response: chunks in, plaintext out, and back. No I/O, no clock, no randomness.

    chunk = size field (2 bytes, or 18 sealed) | ciphertext with its tag | padding (0 to 63 bytes)

The size counts ciphertext and padding. Per chunk the padding length is drawn from the SHAKE128 stream first, the mask
of the size second. A chunk without payload is the end mark; a reader knows it by its size and reads no further.
The bytes of a call are cut into, or gathered from, one pooled buffer: connections own none, and layers nest freely.
Source: Xray-core common/crypto/{auth,chunk}.go, proxy/vmess/encoding/auth.go; vectors/vmess.json.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

from cryptography.exceptions import InvalidTag

from proxycore.errors import PeerError
from proxycore.protocols.vmess.body_ciphers import DRAW_BLOCK_BYTES, BodyCiphers, body_ciphers
from proxycore.protocols.vmess.header_codec import TAG_BYTES, Command, RequestHeader
from proxycore.stream import Buffer

Sink: TypeAlias = Callable[[memoryview], None]      # its argument is valid during the call only

CHUNK_BYTES = 32 * 1024                 # payload per chunk that we write; readers take up to 65535 - 16 - 63
MAX_DATAGRAM_BYTES = 8192 - 18 - 63     # payload; Xray drops what does not fit its buffer of 8192
MAX_PREFIX_BYTES = 1024                 # a header that is sent with the first chunk
MAX_SIZE = 65535 + TAG_BYTES            # what a size field can say at most: what a reader keeps of a cut chunk

_PADDING_LIMIT = 64                     # padding has less than this
_SEALED_SIZE_BYTES = 2 + TAG_BYTES
_MAX_CHUNK_OVERHEAD = _SEALED_SIZE_BYTES + TAG_BYTES + _PADDING_LIMIT
_CHUNKS_PER_WRITE = 8                   # gathered in one write
_WIRE_BYTES = MAX_PREFIX_BYTES + _CHUNKS_PER_WRITE * (CHUNK_BYTES + _MAX_CHUNK_OVERHEAD)
_PLAIN_BYTES = 256 * 1024               # gathered in one write; at least MAX_SIZE
_PADDING_BLOCK_BYTES = 64 * 1024
_POOL_LIMIT = 4                         # buffers kept of a kind: how deep layers nest

_U16 = struct.Struct(">H")
_TWO_U16 = struct.Struct(">HH")
_wire_pool: list[memoryview] = []
_plain_pool: list[memoryview] = []


class PaddingSource:
    """Random bytes to pad with, from a block that many connections share. What pads need not be secret."""

    __slots__ = ("_random_bytes", "block", "cursor")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self.refill()

    def refill(self) -> None:
        self.block = self._random_bytes(_PADDING_BLOCK_BYTES)
        self.cursor = 0


class BodyEncoder:
    """Cut plaintext into chunks and give them to a sink, several in one call."""

    __slots__ = ("_block", "_ciphers", "_count", "_cursor", "_padding")

    def __init__(self, ciphers: BodyCiphers, padding: PaddingSource) -> None:
        self._ciphers = ciphers
        self._padding = padding
        self._count = 0
        self._block = b""
        self._cursor = DRAW_BLOCK_BYTES

    def encode(self, data: Buffer, sink: Sink, prefix: bytes = b"") -> None:
        """Write `prefix` as it is (at most MAX_PREFIX_BYTES), then `data` as chunks. Empty data writes no chunk."""
        if len(data):
            self._encode(memoryview(data), sink, prefix)
        elif prefix:
            sink(memoryview(prefix))

    def encode_end(self, sink: Sink, prefix: bytes = b"") -> None:
        """Write `prefix`, then the end mark."""
        self._encode(memoryview(b""), sink, prefix)

    def _encode(self, data: memoryview, sink: Sink, prefix: bytes) -> None:
        cipher, nonce, tag_bytes, lengths, length_nonce, draws, masked, padded, _ = self._ciphers
        encrypt_into, padding = cipher.encrypt_into, self._padding
        pack_into = _U16.pack_into
        count, block, cursor = self._count, self._block, self._cursor
        out = _wire_pool.pop() if _wire_pool else memoryview(bytearray(_WIRE_BYTES))
        size = len(data)
        start = pad = mask = 0
        filled = len(prefix)
        out[:filled] = prefix
        while True:
            payload = size - start
            if payload > CHUNK_BYTES:
                payload = CHUNK_BYTES
            if draws is not None:
                if cursor == DRAW_BLOCK_BYTES:
                    block = draws.squeeze(DRAW_BLOCK_BYTES)
                    cursor = 0
                if not masked:
                    pad = _U16.unpack_from(block, cursor)[0] % _PADDING_LIMIT
                    cursor += 2
                elif padded:
                    pad, mask = _TWO_U16.unpack_from(block, cursor)
                    pad %= _PADDING_LIMIT
                    cursor += 4
                else:
                    mask = _U16.unpack_from(block, cursor)[0]
                    cursor += 2
            sealed = payload + tag_bytes
            if lengths is None:
                pack_into(out, filled, (sealed + pad) ^ mask)
                filled += 2
            else:
                pack_into(length_nonce, 0, count)
                lengths.encrypt_into(length_nonce, _U16.pack(sealed + pad - TAG_BYTES), None,
                                     out[filled:filled + _SEALED_SIZE_BYTES])
                filled += _SEALED_SIZE_BYTES
            pack_into(nonce, 0, count)
            count = (count + 1) & 0xFFFF        # wraps, and nonces repeat: the protocol has no rekey
            encrypt_into(nonce, data[start:start + payload], None, out[filled:filled + sealed])
            filled += sealed
            start += payload
            if pad:
                first = padding.cursor
                if first + pad > _PADDING_BLOCK_BYTES:
                    padding.refill()
                    first = 0
                padding.cursor = first + pad
                out[filled:filled + pad] = padding.block[first:first + pad]
                filled += pad
            if start == size:
                break
            if filled + CHUNK_BYTES + _MAX_CHUNK_OVERHEAD > _WIRE_BYTES:
                sink(out[:filled])
                filled = 0
        self._count, self._block, self._cursor = count, block, cursor
        sink(out[:filled])
        if len(_wire_pool) < _POOL_LIMIT:
            _wire_pool.append(out)


class BodyDecoder:
    """Open chunks from however many pieces, and give their plaintext to a sink, gathered unless borders matter.

    Whole chunks are opened where they lie. Of a chunk that the end of the data cuts, what there is is kept: at most
    MAX_SIZE bytes. After an error nothing more may be fed.
    """

    __slots__ = ("_block", "_ciphers", "_count", "_cursor", "_kept", "_pad", "_room", "_size", "ended")

    def __init__(self, ciphers: BodyCiphers, *, keep_borders: bool = False) -> None:
        """`keep_borders`: one sink call per chunk, because a chunk is a datagram."""
        self._ciphers = ciphers
        self._room = 0 if keep_borders else _PLAIN_BYTES
        self._count = 0
        self._block = b""
        self._cursor = DRAW_BLOCK_BYTES
        self._kept: bytearray | None = None
        self._size = -1                 # of the chunk that comes next, behind its size field; -1: not known yet
        self._pad = 0
        self.ended = False              # the end mark was read; what follows it is ignored

    @property
    def is_at_border(self) -> bool:
        """Whether the stream may end here."""
        return self._kept is None and self._size < 0

    def feed(self, data: Buffer, sink: Sink) -> None:
        """Give the plaintext of every chunk that `data` completes to `sink`.

        Raises: PeerError, a size that no chunk has or a broken tag; what came before it was given to `sink`.
        """
        if self.ended:
            return
        view = memoryview(data)
        start = 0
        out = _plain_pool.pop() if _plain_pool else memoryview(bytearray(_PLAIN_BYTES))
        filled = 0
        try:
            kept = self._kept
            if kept is not None:
                goal = self._size if self._size >= 0 else 2 if self._ciphers.lengths is None else _SEALED_SIZE_BYTES
                stop = start + goal - len(kept)
                kept += view[start:stop]
                if len(kept) < goal:
                    return
                start = stop
                self._kept = None
                filled = self._open(memoryview(kept), 0, out, filled, sink)
            filled = self._open(view, start, out, filled, sink)
            if filled:
                sink(out[:filled])
        finally:
            if len(_plain_pool) < _POOL_LIMIT:
                _plain_pool.append(out)

    def _open(self, view: memoryview, start: int, out: memoryview, filled: int, sink: Sink) -> int:
        """Open every whole chunk of `view[start:]`, keep the rest; return how much of `out` is filled then."""
        cipher, nonce, tag_bytes, lengths, length_nonce, draws, masked, padded, _ = self._ciphers
        decrypt_into, room = cipher.decrypt_into, self._room
        pack_into, unpack_from = _U16.pack_into, _U16.unpack_from
        count, block, cursor = self._count, self._block, self._cursor
        field_bytes = 2 if lengths is None else _SEALED_SIZE_BYTES
        pad, size, mask = self._pad, self._size, 0
        end = len(view)
        try:
            while not self.ended:
                if size < 0:
                    body = start + field_bytes
                    if body > end:
                        break
                    if draws is not None:
                        if cursor == DRAW_BLOCK_BYTES:
                            block = draws.squeeze(DRAW_BLOCK_BYTES)
                            cursor = 0
                        if not masked:
                            pad = unpack_from(block, cursor)[0] % _PADDING_LIMIT
                            cursor += 2
                        elif padded:
                            pad, mask = _TWO_U16.unpack_from(block, cursor)
                            pad %= _PADDING_LIMIT
                            cursor += 4
                        else:
                            mask = unpack_from(block, cursor)[0]
                            cursor += 2
                    if lengths is None:
                        size = unpack_from(view, start)[0] ^ mask
                    else:
                        pack_into(length_nonce, 0, count)
                        field = bytearray(2)
                        lengths.decrypt_into(length_nonce, view[start:body], None, field)
                        size = unpack_from(field)[0] + TAG_BYTES
                    start = body
                    if size <= tag_bytes + pad:
                        if size < tag_bytes + pad:
                            raise PeerError("a chunk that is too short for its tag and padding")
                        self.ended = True
                        start = end
                        size = -1
                        break
                stop = start + size
                if stop > end:
                    break
                plain = size - pad - tag_bytes
                if filled + plain > room and filled:
                    sink(out[:filled])
                    filled = 0
                pack_into(nonce, 0, count)
                decrypt_into(nonce, view[start:stop - pad], None, out[filled:filled + plain])
                count = (count + 1) & 0xFFFF
                filled += plain
                start = stop
                size = -1
        except (InvalidTag, PeerError) as error:
            if filled:
                sink(out[:filled])
            if isinstance(error, InvalidTag):
                raise PeerError("the tag of a chunk is wrong") from None
            raise
        if start < end and not self.ended:
            self._kept = bytearray(view[start:])
        self._count, self._block, self._cursor = count, block, cursor
        self._size, self._pad = size, pad
        return filled


class RawEncoder:
    """Security `zero`: the body as it is."""

    __slots__ = ()

    def encode(self, data: Buffer, sink: Sink, prefix: bytes = b"") -> None:
        if prefix:
            sink(memoryview(prefix + bytes(data)))
        elif len(data):
            sink(memoryview(data))

    def encode_end(self, sink: Sink, prefix: bytes = b"") -> None:
        """Only the stream's own end tells the end."""
        if prefix:
            sink(memoryview(prefix))


class RawDecoder:
    """Security `zero`: the body as it is."""

    __slots__ = ()

    ended = False
    is_at_border = True

    def feed(self, data: Buffer, sink: Sink) -> None:
        if len(data):
            sink(memoryview(data))


Encoder: TypeAlias = BodyEncoder | RawEncoder
Decoder: TypeAlias = BodyDecoder | RawDecoder


def body_encoder(request: RequestHeader, padding: PaddingSource, *, is_response: bool) -> Encoder:
    """What writes the body of `request`, or of its response."""
    ciphers = body_ciphers(request, is_response=is_response)
    return BodyEncoder(ciphers, padding) if ciphers.is_chunked else RawEncoder()


def body_decoder(request: RequestHeader, *, is_response: bool) -> Decoder:
    """What reads the body of `request`, or of its response."""
    ciphers = body_ciphers(request, is_response=is_response)
    return BodyDecoder(ciphers, keep_borders=request.command is Command.UDP) if ciphers.is_chunked else RawDecoder()
