"""User ids, and the key that headers are sealed with. Source: Xray-core common/protocol/id.go."""

from __future__ import annotations

import hashlib

from proxycore.wire.user_id import MAX_FREE_TEXT_BYTES, user_id_from_text

__all__ = ["MAX_FREE_TEXT_BYTES", "command_key", "user_id_from_text"]

_CMD_KEY_SALT = b"c48619fe-8f02-49e0-b9e9-edf763e17e21"


def command_key(user_id: bytes) -> bytes:
    """The 16 bytes that the keys of this user's headers are derived from."""
    return hashlib.md5(user_id + _CMD_KEY_SALT, usedforsecurity=False).digest()
