"""The key that signs sessions and links: made at the first start, then read from its file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_BYTES = 48          # 64 characters as text; Django asks for 50


def load_or_create(path: Path) -> str:
    """The key in `path`, which is made with mode 0600 if it is not there.

    Two processes that start together get the same key: the file appears under its name only when it is whole, and
    the first one to give it that name wins.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(KEY_BYTES) + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            return _read(path)
    finally:
        draft.unlink()
    return _read(path)


def _read(path: Path) -> str:
    key = path.read_text(encoding="ascii").strip()
    if not key:
        raise ValueError(f"{path} is empty: remove it, and a new key is made (everyone has to log in again)")
    return key
