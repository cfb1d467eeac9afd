"""Answers that were found lately, also those that there is nothing. No clock: the time is an argument."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from proxycore.dns.answer import Answer

MAX_ENTRIES = 4096
"""Of one server; the one that was put in first makes room."""

MIN_TTL_S, MAX_TTL_S = 1, 24 * 3600
DEFAULT_TTL_S = 60
"""Where an answer says nothing of how long it holds: a negative one without an SOA."""

Key: TypeAlias = tuple[str, int]        # name in lower case, type of question


class Kept(NamedTuple):
    answer: Answer          # its TTL is what is left, 0 when it is over
    is_stale: bool


class Cache:
    """`stale_s`: for how long an answer whose time is over is still given; None: not at all, 0: forever."""

    __slots__ = ("_entries", "_stale_s")

    def __init__(self, stale_s: int | None = None) -> None:
        self._entries: dict[Key, tuple[Answer, float]] = {}     # with the time when it is over, s
        self._stale_s = stale_s

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, now_s: float) -> Kept | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        answer, end_s = entry
        left_s = end_s - now_s
        if left_s > 0:
            return Kept(answer._replace(ttl_s=int(left_s) + 1 if left_s % 1 else int(left_s)), False)
        if self._stale_s is None or (self._stale_s and -left_s >= self._stale_s):
            del self._entries[key]
            return None
        return Kept(answer._replace(ttl_s=0), True)

    def put(self, key: Key, answer: Answer, now_s: float) -> Answer:
        """Keep `answer`; it comes back with the TTL that it really has."""
        answer = bounded(answer)
        self._entries.pop(key, None)
        if len(self._entries) >= MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (answer, now_s + answer.ttl_s)
        return answer


def bounded(answer: Answer) -> Answer:
    """`answer` with a TTL within the bounds."""
    return answer._replace(ttl_s=min(max(answer.ttl_s, MIN_TTL_S), MAX_TTL_S))
