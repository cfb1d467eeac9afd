"""The program that a document is meant for: `xray-26.4.17`, `v2ray-4.34`, `v2fly-5`."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_NAME = re.compile(r"(xray|v2ray|v2fly)-v?(\d{1,6}(?:\.\d{1,6}){0,3})\Z")


class Core(NamedTuple):
    family: Literal["xray", "v2ray"]  # v2fly is the name of V2Ray's later home
    version: tuple[int, ...]
    name: str  # as it was given

    def is_xray(self, since: str = "0", before: str = "") -> bool:
        return self.family == "xray" and self._is_between(since, before)

    def is_v2ray(self, since: str = "0", before: str = "") -> bool:
        return self.family == "v2ray" and self._is_between(since, before)

    def _is_between(self, since: str, before: str) -> bool:
        return self.version >= _numbers(since) and (not before or self.version < _numbers(before))


def parse_core(text: str) -> Core:
    """Read the name of a core. Raises ValueError with what is expected."""
    match = _NAME.match(text.strip().lower())
    if match is None:
        raise ValueError(f'"{text[:40]}" is no core with its version, such as xray-26.4.17, v2ray-4.34 or v2fly-5')
    return Core("xray" if match[1] == "xray" else "v2ray", _numbers(match[2]), text.strip().lower())


def _numbers(text: str) -> tuple[int, ...]:
    """Without zeros at the end, so that 5 and 5.0 are the same."""
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
