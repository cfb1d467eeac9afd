"""Addresses for rules are asked for once, remembered for a while, and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from proxycore.destination import IPAddress
from proxycore.errors import DialError
from proxycore.net.resolve import Strategy
from proxycore.routing import resolution
from proxycore.routing.resolution import KEEP_FAILURE_S, KEEP_S, MAX_NAMES, Resolution

HOME = ip_address("10.0.0.1")


class Names:
    """A resolver whose answers the test gives, and a clock that it moves."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Strategy]] = []
        self.now = 0.0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.resolution = Resolution(self.resolve, lambda: self.now)

    async def resolve(self, host: str, strategy: Strategy) -> Sequence[IPAddress]:
        self.asked.append((host, strategy))
        await self.may_answer.wait()
        if host.startswith("no"):
            raise DialError(host, "no such name")
        return [HOME]


def test_a_name_is_asked_for_once_and_then_known_in_any_letter_case() -> None:
    async def scenario() -> None:
        names = Names()
        assert names.resolution.known("Home.example") is None
        assert await names.resolution.addresses("Home.example") == (HOME,)
        assert names.resolution.known("hOME.example") == (HOME,)
        assert names.asked == [("home.example", Strategy.FORCE_IP)]

    asyncio.run(scenario())


def test_who_asks_meanwhile_waits_for_the_same_answer() -> None:
    async def scenario() -> None:
        names = Names()
        names.may_answer.clear()
        answers = [asyncio.ensure_future(names.resolution.addresses("home.example")) for _ in range(5)]
        await asyncio.sleep(0)
        assert names.resolution.waiting_count == 5
        names.may_answer.set()
        assert await asyncio.gather(*answers) == [(HOME,)] * 5
        assert (len(names.asked), names.resolution.waiting_count) == (1, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(("name", "found", "keep_s"), [("home.example", (HOME,), KEEP_S), ("none.example", (), KEEP_FAILURE_S)])
def test_an_answer_counts_for_its_time(name: str, found: tuple[IPAddress, ...], keep_s: float) -> None:
    async def scenario() -> None:
        names = Names()
        assert await names.resolution.addresses(name) == found
        names.now = keep_s - 0.1
        assert names.resolution.known(name) == found
        names.now = keep_s
        assert names.resolution.known(name) is None

    asyncio.run(scenario())


def test_names_are_forgotten_when_they_are_looked_up_in_another_way() -> None:
    async def scenario() -> None:
        names = Names()
        await names.resolution.addresses("home.example")
        names.resolution.forget()
        assert names.resolution.known("home.example") is None

    asyncio.run(scenario())


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution, "RESOLVE_S", 0.01)

    async def scenario() -> None:
        names = Names()
        names.may_answer.clear()
        assert await names.resolution.addresses("home.example") == ()

    asyncio.run(scenario())


def test_only_so_many_names_are_remembered_the_newest() -> None:
    async def scenario() -> None:
        names = Names()
        for number in range(MAX_NAMES + 1):
            await names.resolution.addresses(f"{number}.example")
        assert names.resolution.known("0.example") is None
        assert names.resolution.known("1.example") == (HOME,)

    asyncio.run(scenario())


def test_above_the_bound_of_waiting_requests_a_name_has_no_addresses() -> None:
    async def scenario() -> None:
        names = Names()
        names.resolution.waiting_count = resolution.MAX_WAITING
        assert names.resolution.known("home.example") == ()

    asyncio.run(scenario())
