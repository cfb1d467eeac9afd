"""One server: what it said lately is remembered, and the same question is not asked twice at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, TypeAlias

from proxycore import tasks
from proxycore.dns.answer import Answer, Families, Rcode, Told, tell_nobody
from proxycore.dns.cache import DEFAULT_TTL_S, Cache, bounded
from proxycore.dns.codec import AAAA, A, question_of
from proxycore.dns.exchange import Exchange
from proxycore.errors import DialError, PeerError, ProxyError
from proxycore.net.resolve import NoAddress, Resolve, Strategy

TIMEOUT_S = 4.0
"""How long a server has for its answer, unless the document says otherwise."""

OTHER_FAMILY_S = 0.5
"""Once there are addresses of one family, how long those of the other are waited for."""

STALE_TTL_S = 1
SYSTEM_TTL_S = 300
"""The system's resolver does not tell how long its answers hold; what Xray assumes."""

MAX_QUESTIONS = 512
"""Under way to one server; one more fails at once."""

_KEPT_CODES = (Rcode.NO_ERROR, Rcode.NAME_ERROR)    # others speak of the server, not of the name
_Outcome: TypeAlias = Answer | ProxyError
_log = logging.getLogger("xrev.dns")


class Server(Protocol):
    """Something that knows names. `label` is what it is called in logs."""

    label: str

    async def lookup(self, name: str, families: Families) -> Answer:
        """`name` in lower case. Raises: ProxyError, it cannot tell."""

    def close(self) -> None: ...


class RemoteServer:
    """A server that is asked through `exchange`. `cache` None: nothing is remembered."""

    __slots__ = ("_asking", "_cache", "_exchange", "_now", "_tell", "_timeout_s", "label")

    def __init__(
        self,
        label: str,
        exchange: Exchange,
        cache: Cache | None,
        now: Callable[[], float],
        timeout_s: float = TIMEOUT_S,
        tell: Told = tell_nobody,
    ) -> None:
        self.label = label
        self._tell = tell
        self._exchange = exchange
        self._cache = cache
        self._now = now                 # monotonic, seconds
        self._timeout_s = timeout_s
        self._asking: dict[tuple[str, int], asyncio.Task[_Outcome]] = {}

    async def lookup(self, name: str, families: Families) -> Answer:
        found: list[_Outcome] = []
        asked: list[asyncio.Task[_Outcome]] = []
        for question_type in (*((A,) if families.v4 else ()), *((AAAA,) if families.v6 else ())):
            key = (name, question_type)
            kept = self._cache.get(key, self._now()) if self._cache is not None else None
            if kept is None or kept.is_stale:
                task = self._start(key)
                if kept is None:
                    asked.append(task)
            if kept is not None:
                self._tell(self.label, "cache OPTIMISTE" if kept.is_stale else "cache HIT", name, kept.answer.addresses)
                found.append(kept.answer._replace(ttl_s=STALE_TTL_S) if kept.is_stale else kept.answer)
        if asked:
            found += await _outcomes(asked, has_addresses=any(_addresses(one) for one in found))
        return merged(found)

    def close(self) -> None:
        self._exchange.close()

    def _start(self, key: tuple[str, int]) -> asyncio.Task[_Outcome]:
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = tasks.spawn(f"ask {self.label} for {key[0]}", self._ask(key))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return task

    async def _ask(self, key: tuple[str, int]) -> _Outcome:
        """The answer, or what went wrong: several may wait for it, or nobody."""
        begin_s = self._now()
        outcome = await self._exchanged(key)
        elapsed_ms = (self._now() - begin_s) * 1000
        if isinstance(outcome, Answer):
            _log.debug("%s: %s from %s, %.0f ms", key[0], outcome, self.label, elapsed_ms)
            self._tell(self.label, "got answer", key[0], outcome.addresses, elapsed_ms)
        else:
            self._tell(self.label, "got answer", key[0], (), elapsed_ms, str(outcome))
        return outcome

    async def _exchanged(self, key: tuple[str, int]) -> _Outcome:
        if len(self._asking) > MAX_QUESTIONS:
            return DialError(key[0], f"too many questions to {self.label} are under way")
        try:
            question = question_of(*key)
            async with asyncio.timeout(self._timeout_s):
                response = await self._exchange.ask(question)
            if response.is_truncated:
                raise PeerError("the answer is cut off")
        except TimeoutError:
            return DialError(key[0], f"{self.label} did not answer within {self._timeout_s:g} s")
        except ProxyError as error:
            return DialError(key[0], f"{self.label}: {error}")
        except ValueError as error:
            return DialError(key[0], str(error))
        ttl_s = response.ttl_s if response.ttl_s is not None else DEFAULT_TTL_S
        answer = bounded(Answer(response.addresses, ttl_s, response.rcode))
        if self._cache is not None and response.rcode in _KEPT_CODES:
            self._cache.put(key, answer, self._now())
        return answer


def _addresses(outcome: _Outcome) -> bool:
    return isinstance(outcome, Answer) and bool(outcome.addresses)


async def _outcomes(asked: list[asyncio.Task[_Outcome]], *, has_addresses: bool) -> list[_Outcome]:
    """What came of the questions; the slower of two is not waited for long if the other found something."""
    done: set[asyncio.Task[_Outcome]] = set()
    pending = set(asked)
    if not has_addresses:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        has_addresses = any(_addresses(task.result()) for task in done)
    if pending:
        more, _ = await asyncio.wait(pending, timeout=OTHER_FAMILY_S if has_addresses else None)
        done |= more
    return [task.result() for task in asked if task in done]


def merged(found: list[_Outcome]) -> Answer:
    """The answers about both families as one. Raises: ProxyError, where what is missing could be there."""
    answers = [one for one in found if isinstance(one, Answer)]
    filled = [one for one in answers if one.addresses]
    if filled:
        return Answer(tuple(ip for one in filled for ip in one.addresses), min(one.ttl_s for one in filled))
    for one in found:
        if isinstance(one, ProxyError):
            raise one
    return min(answers, key=lambda one: (one.rcode != Rcode.NO_ERROR, one.ttl_s))


class SystemServer:
    """`localhost`: the system's own resolver, which remembers for itself."""

    __slots__ = ("_resolve", "label")

    def __init__(self, resolve: Resolve) -> None:
        self.label = "localhost"
        self._resolve = resolve

    async def lookup(self, name: str, families: Families) -> Answer:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await self._resolve(name, Strategy.AS_IS)
        except NoAddress:
            return Answer((), DEFAULT_TTL_S, Rcode.NAME_ERROR)
        except TimeoutError:
            raise DialError(name, "the system's name lookup did not answer") from None
        chosen = tuple(ip for ip in found if (families.v4 if ip.version == 4 else families.v6))
        return Answer(chosen, SYSTEM_TTL_S)

    def close(self) -> None:
        pass
