"""User ids of VMess and VLESS: from text to 16 bytes. Source: Xray-core common/uuid/uuid.go."""

from __future__ import annotations

import hashlib
import re

MAX_FREE_TEXT_BYTES = 30
_UUID = re.compile(r"([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})", re.IGNORECASE | re.ASCII)


def user_id_from_text(text: str) -> bytes:
    """The 16 bytes of a UUID, or those that a free text of 1 to 30 bytes stands for (a UUID of version 5).

    Raises: ValueError, a text that is neither; the message does not repeat it.
    """
    size = len(text.encode())
    if 1 <= size <= MAX_FREE_TEXT_BYTES:
        digest = bytearray(hashlib.sha1(bytes(16) + text.encode(), usedforsecurity=False).digest()[:16])
        digest[6] = digest[6] & 0x0F | 0x50
        digest[8] = digest[8] & 0x3F | 0x80
        return bytes(digest)
    match = _UUID.fullmatch(text)
    if match is None:
        raise ValueError(f"an id is a UUID or a text of 1 to {MAX_FREE_TEXT_BYTES} bytes; this one of {size} bytes is neither")
    return bytes.fromhex("".join(match.groups()))
