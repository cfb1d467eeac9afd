"""What the two directions of a body are enciphered with: ciphers, nonces and the stream of masks and padding lengths.

Source: Xray-core proxy/vmess/encoding/{client,server,auth}.go.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHAKE128, XOFHash

from proxycore.protocols.vmess import kdf
from proxycore.protocols.vmess.header_codec import TAG_BYTES, Command, Option, RequestHeader, Security, response_keys
from proxycore.stream import Buffer

DRAW_BLOCK_BYTES = 168          # squeezed at once: the rate of SHAKE128, and 42 chunks with mask and padding
_NO_END = 2**63 - 1             # bytes that a stream of draws may give


class ChunkCipher(Protocol):
    """Both AEADs of the cryptography package, and NoCipher."""

    def encrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Buffer) -> int: ...

    def decrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Buffer) -> int: ...


class NoCipher:
    """Security `none`: plaintext, no tag."""

    __slots__ = ()

    def encrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Buffer) -> int:
        memoryview(buf)[:] = data
        return len(data)

    decrypt_into = encrypt_into


class BodyCiphers(NamedTuple):
    """One direction. A nonce is two bytes of counter, then ten bytes of an IV."""

    data: ChunkCipher
    data_nonce: bytearray
    tag_bytes: int
    lengths: ChunkCipher | None         # None: sizes are not sealed
    length_nonce: bytearray
    draws: XOFHash | None               # None: neither mask nor padding
    masked: bool
    padded: bool
    is_chunked: bool


def body_ciphers(request: RequestHeader, *, is_response: bool) -> BodyCiphers:
    """Ciphers of the request's body, or of the response's."""
    options, security = request.options, request.security
    key, iv = response_keys(request.body_key, request.body_iv) if is_response else (request.body_key, request.body_iv)
    lengths: ChunkCipher | None = None
    has_tag = security is not Security.NONE
    if has_tag and options & Option.AUTHENTICATED_LENGTH:
        # Both directions use the request's key and IV here: a flaw of the protocol that interop needs.
        lengths = _aead(security, kdf.kdf16(request.body_key, kdf.CHUNK_LENGTH))
    padded = bool(options & Option.GLOBAL_PADDING) and (has_tag or request.command is Command.UDP)
    masked = bool(options & Option.CHUNK_MASKING) and lengths is None
    draws = None
    if padded or masked:
        draws = XOFHash(SHAKE128(_NO_END))
        draws.update(iv)
    return BodyCiphers(
        data=_aead(security, key) if has_tag else NoCipher(),
        data_nonce=bytearray(b"\0\0" + iv[2:12]),
        tag_bytes=TAG_BYTES if has_tag else 0,
        lengths=lengths,
        length_nonce=bytearray(b"\0\0" + request.body_iv[2:12]),
        draws=draws,
        masked=masked,
        padded=padded,
        is_chunked=has_tag or bool(options & Option.CHUNK_STREAM),
    )


def chacha20_key(key: bytes) -> bytes:
    """The 32 bytes that the protocol makes of a key of 16."""
    first = hashlib.md5(key, usedforsecurity=False).digest()
    return first + hashlib.md5(first, usedforsecurity=False).digest()


def _aead(security: Security, key: bytes) -> ChunkCipher:
    return AESGCM(key) if security is Security.AES_128_GCM else ChaCha20Poly1305(chacha20_key(key))
