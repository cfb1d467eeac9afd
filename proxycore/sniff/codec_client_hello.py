"""The name in a TLS ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3), read as far as it has come.

    u8 type = 1 · u24 length · u16 version · 32 random · u8+ session · u16+ ciphers · u8+ compressions · u16+ extensions

An encrypted ClientHello carries a public name outside; that is what is seen. A hello that names nobody is not taken for anything,
as in the cores.
"""

from __future__ import annotations

from proxycore.sniff.verdict import MORE, NOT, Undecided

_CLIENT_HELLO = 1
_FIXED_BYTES = 4 + 2 + 32       # up to the session id
_MAX_SESSION_BYTES = 32
_SERVER_NAME = 0                # type of the extension
_HOST_NAME = 0                  # type of a name in it
_MAX_NAME_BYTES = 255


def read_server_name(hello: bytes | bytearray) -> str | Undecided:
    """The name in `hello`, of which the end may be missing still."""
    if hello and hello[0] != _CLIENT_HELLO:
        return NOT
    size = len(hello)
    if size <= _FIXED_BYTES:
        return MORE
    end = 4 + int.from_bytes(hello[1:4])        # of the whole message
    if hello[4] != 3 or hello[_FIXED_BYTES] > _MAX_SESSION_BYTES:
        return NOT
    at = _FIXED_BYTES + 1 + hello[_FIXED_BYTES]
    for width in (2, 1):                        # ciphers, compressions
        if at + width > end:
            return NOT
        if at + width > size:
            return MORE
        at += width + int.from_bytes(hello[at : at + width])
    if at + 2 > end:
        return NOT
    if at + 2 > size:
        return MORE
    at, last = at + 2, at + 2 + int.from_bytes(hello[at : at + 2])
    if last != end:
        return NOT
    while at + 4 <= last:
        if at + 4 > size:
            return MORE
        kind, length = int.from_bytes(hello[at : at + 2]), int.from_bytes(hello[at + 2 : at + 4])
        at += 4
        if at + length > last:
            return NOT
        if kind == _SERVER_NAME:
            return _host_name(bytes(hello[at : at + length])) if at + length <= size else MORE
        at += length
    return NOT


def _host_name(names: bytes) -> str | Undecided:
    """The first host name of the extension."""
    if len(names) < 2 or 2 + int.from_bytes(names[:2]) != len(names):
        return NOT
    at = 2
    while at + 3 <= len(names):
        kind, length = names[at], int.from_bytes(names[at + 1 : at + 3])
        name = names[at + 3 : at + 3 + length]
        at += 3 + length
        if at > len(names):
            return NOT
        if kind == _HOST_NAME:
            is_name = 0 < length <= _MAX_NAME_BYTES and all(0x20 < byte < 0x7F for byte in name) and not name.endswith(b".")
            return name.decode("ascii") if is_name else NOT
    return NOT
