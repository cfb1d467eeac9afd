"""Text that a node said, as it is kept."""

from __future__ import annotations

from typing import Final

MAX_SENTENCE_CHARS: Final = 2000


def kept_text(text: str, limit: int = MAX_SENTENCE_CHARS) -> str:
    """Some databases take no zero in a text."""
    return text.replace("\0", "")[:limit]
