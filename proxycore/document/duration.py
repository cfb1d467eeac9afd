"""Durations as Go writes them: `10s`, `1m30s`, `500ms`, `1.5h`. Source: Go, time.ParseDuration."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import PlainValidator

NS_PER_S = 1_000_000_000
_NS = {"ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_WHOLE = re.compile(rf"[-+]?(?:{_PART.pattern})+", re.ASCII)
_MAX_CHARS = 64
_MAX_NS = 2**63 - 1


def parse_duration(value: object) -> int:
    """Nanoseconds. Raises ValueError with what is expected."""
    if not isinstance(value, str):
        raise ValueError('a duration as text is expected, such as "10s" or "1m30s"')
    text = value
    if text in ("0", "+0", "-0"):
        return 0
    if len(text) > _MAX_CHARS or not _WHOLE.fullmatch(text):
        raise ValueError(f'"{text[:40]}" is no duration; write one such as "10s", "1m30s" or "500ms"')
    total = 0
    for number, unit in _PART.findall(text):
        whole, _, fraction = number.partition(".")
        total += int(whole or "0") * _NS[unit]
        if fraction:
            total += int(fraction) * _NS[unit] // 10 ** len(fraction)
    if total > _MAX_NS:
        raise ValueError("the duration is longer than 292 years")
    return -total if text.startswith("-") else total


Duration = Annotated[int, PlainValidator(parse_duration)]
"""A field in nanoseconds."""
