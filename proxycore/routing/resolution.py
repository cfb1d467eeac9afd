"""Addresses of names, for `ip` rules: remembered for a short while, so that most decisions need not wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from proxycore import tasks
from proxycore.destination import IPAddress
from proxycore.errors import ProxyError
from proxycore.net.resolve import Resolve, Strategy

KEEP_S = 10.0
"""How long addresses count. Neither the system's resolver nor ours says how long they are good; ours keeps them that long."""

KEEP_FAILURE_S = 5.0
"""How long a name that could not be resolved counts as one without addresses."""

MAX_NAMES = 4096
"""Names that are remembered; the oldest make room."""

MAX_WAITING = 4096
"""Requests that may wait for addresses; one more is routed without them."""

RESOLVE_S = 5.0
"""How long a request waits; then it is routed without addresses."""

Addresses: TypeAlias = tuple[IPAddress, ...]
OnAddresses: TypeAlias = Callable[[Addresses], None]
_log = logging.getLogger("xrev.routing")


class Resolution:
    """Looks names up with `resolve`. `now` is a monotonic clock, in seconds."""

    __slots__ = ("_known", "_now", "_resolve", "_waiting", "waiting_count")

    def __init__(self, resolve: Resolve, now: Callable[[], float]) -> None:
        self._resolve = resolve
        self._now = now
        self._known: dict[str, tuple[float, Addresses]] = {}        # until when, and what
        self._waiting: dict[str, list[OnAddresses]] = {}
        self.waiting_count = 0

    def known(self, name: str) -> Addresses | None:
        """Its addresses, perhaps none; None: it has to be looked up."""
        entry = self._known.get(name.lower())
        if entry is not None and entry[0] > self._now():
            return entry[1]
        return () if self.waiting_count >= MAX_WAITING else None

    def forget(self) -> None:
        """Names are looked up in another way from now on."""
        self._known.clear()

    def look_up(self, name: str, on_addresses: OnAddresses) -> None:
        """Call `on_addresses` later, once. Whoever asks for the same name meanwhile waits for the same answer."""
        name = name.lower()
        self.waiting_count += 1
        waiting = self._waiting.get(name)
        if waiting is not None:
            waiting.append(on_addresses)
            return
        self._waiting[name] = [on_addresses]
        tasks.spawn(f"resolve {name} for routing", self._look_up(name))

    async def addresses(self, name: str) -> Addresses:
        """The same for who can wait."""
        answer: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
        self.look_up(name, answer.set_result)
        return await answer

    async def _look_up(self, name: str) -> None:
        addresses: Addresses = ()
        keep_s = KEEP_FAILURE_S
        try:
            async with asyncio.timeout(RESOLVE_S):
                addresses = tuple(await self._resolve(name, Strategy.FORCE_IP))
            keep_s = KEEP_S
        except (ProxyError, TimeoutError) as error:
            _log.info("%s is routed without addresses: %s", name, error or "the name lookup did not answer")
        finally:
            self._remember(name, self._now() + keep_s, addresses)
            waiting = self._waiting.pop(name)
            self.waiting_count -= len(waiting)
        for on_addresses in waiting:
            on_addresses(addresses)

    def _remember(self, name: str, until: float, addresses: Addresses) -> None:
        self._known.pop(name, None)
        if len(self._known) >= MAX_NAMES:
            del self._known[next(iter(self._known))]
        self._known[name] = until, addresses
