"""The key derivation of VMess AEAD: HMAC-SHA256 nested, each path element keying an HMAC whose hash is the one before.

    H0 = HMAC(SHA256, "VMess AEAD KDF")     H1 = HMAC(H0, p1)  ...  Hn = HMAC(Hn-1, pn)     KDF(key, p1..pn) = Hn(key)

So `key` is the message and the path elements are keys. The block size of every level is 64 bytes. What SHA-256 has
eaten after the root's pad and the first element's pad is the same each time, so those states are kept and copied.
Source: Xray-core proxy/vmess/aead/kdf.go and consts.go.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from proxycore.errors import UsageError

if TYPE_CHECKING:
    from hashlib import _Hash

AUTH_ID = b"AES Auth ID Encryption"
HEADER_KEY = b"VMess Header AEAD Key"
HEADER_NONCE = b"VMess Header AEAD Nonce"
LENGTH_KEY = b"VMess Header AEAD Key_Length"
LENGTH_NONCE = b"VMess Header AEAD Nonce_Length"
RESPONSE_LENGTH_KEY = b"AEAD Resp Header Len Key"
RESPONSE_LENGTH_NONCE = b"AEAD Resp Header Len IV"
RESPONSE_HEADER_KEY = b"AEAD Resp Header Key"
RESPONSE_HEADER_NONCE = b"AEAD Resp Header IV"
CHUNK_LENGTH = b"auth_len"

_ROOT = b"VMess AEAD KDF"
_BLOCK_BYTES = 64
_KEPT_STATES = 32           # first elements are the ten constants above
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


def kdf(key: bytes, *path: bytes) -> bytes:
    """32 bytes derived from `key` along `path`, whose elements have at most 64 bytes."""
    if not path:
        return _finish(_updated(_ROOT_INNER, key))
    inner, outer = _first_level(path[0])
    return _nested(inner, outer, [_pads(element) for element in path[1:]], key)


def kdf16(key: bytes, *path: bytes) -> bytes:
    """The key of an AES-128."""
    return kdf(key, *path)[:16]


def kdf12(key: bytes, *path: bytes) -> bytes:
    """The nonce of an AEAD."""
    return kdf(key, *path)[:12]


def _nested(inner: _Hash, outer: _Hash, pads: list[tuple[bytes, bytes]], message: bytes) -> bytes:
    if pads:
        below = pads[:-1]
        inner_pad, outer_pad = pads[-1]
        return _nested(inner, outer, below, outer_pad + _nested(inner, outer, below, inner_pad + message))
    return _finish(_updated(outer, _finish(_updated(inner, message))))


def _updated(state: _Hash, data: bytes) -> _Hash:
    state = state.copy()
    state.update(data)
    return state


def _finish(state: _Hash) -> bytes:
    """The root HMAC of what its inner hash `state` has eaten."""
    outer = _ROOT_OUTER.copy()
    outer.update(state.digest())
    return outer.digest()


def _pads(element: bytes) -> tuple[bytes, bytes]:
    if len(element) > _BLOCK_BYTES:
        raise UsageError("a path element of the KDF has at most 64 bytes")
    block = element.ljust(_BLOCK_BYTES, b"\0")
    return block.translate(_INNER_PAD), block.translate(_OUTER_PAD)


@lru_cache(maxsize=_KEPT_STATES)
def _first_level(element: bytes) -> tuple[_Hash, _Hash]:
    inner_pad, outer_pad = _pads(element)
    return _updated(_ROOT_INNER, inner_pad), _updated(_ROOT_INNER, outer_pad)


_ROOT_INNER, _ROOT_OUTER = (hashlib.sha256(pad) for pad in _pads(_ROOT))
