"""Places in a document as text: `inbounds[0].settings.clients[1].id`."""

from __future__ import annotations

import re

from proxycore.document.jsonc import Loc, Step

_PLAIN_KEY = re.compile(r"[^.\[\]\"\s]+\Z").match
_STEP = re.compile(r'\[(\d{1,9})\]|\["([^"]*)"\]|\.?([^.\[\]"\s]+)').match
_SHOWN_KEY_CHARS = 64


def render_path(loc: Loc) -> str:
    """`loc` as text; a key with a dot or the like is written `["a.b"]`."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY(step):
            text += f".{step[:_SHOWN_KEY_CHARS]}" if text else step[:_SHOWN_KEY_CHARS]
        else:
            text += f'["{step[:_SHOWN_KEY_CHARS]}"]'
    return text


def parse_path(text: str) -> Loc:
    """The place that `text` names, as far as it can be read."""
    steps: list[Step] = []
    position = 0
    while (match := _STEP(text, position)) is not None:
        steps.append(int(match[1]) if match[1] is not None else match[2] if match[2] is not None else match[3])
        position = match.end()
    return tuple(steps)
