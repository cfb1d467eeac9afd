"""JSON that a column holds as text, so that the order of keys and every number stay as they were written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

StoredComment = tuple[tuple[str | int, ...], str, str]
"""Path inside the entry, place (before, after, end), text."""


def read_object(text: str) -> dict[str, Any]:
    """The object that `text` holds, a new one each time."""
    value = json.loads(text) if text else {}
    if not isinstance(value, dict):
        raise ValueError("a column holds JSON that is no object")
    return value


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))      # json.dumps makes one each time


def write_json(value: object) -> str:
    return _encoder.encode(value)


def read_comments(text: str) -> list[StoredComment]:
    return [(tuple(path), place, comment) for path, place, comment in json.loads(text)] if text else []


def write_comments(comments: Iterable[StoredComment]) -> str:
    """Empty if there are none."""
    listed = [[list(path), place, comment] for path, place, comment in comments]
    return write_json(listed) if listed else ""
