"""Traffic through a tunnel, with our program and V2Ray on either side. (Two V2Rays show that the rig itself is right.)"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.conftest import program
from tests.support.processes import Processes, quickest, until
from tests.support.target import (
    BLOCK,
    GREETING,
    Target,
    ask,
    download_is_whole,
    is_served,
    read_exactly,
    read_to_end,
    udp_echo,
    upload_is_whole,
)
from tests.support.tunnel import Tunnel

BIG_BYTES = 24 << 20
PAIRS = [("xrev", "xrev"), ("xrev", "v2ray"), ("v2ray", "xrev"), ("v2ray", "v2ray")]

DRAIN_TICKS_S = 15.0
"""A portal looks every 2 s at whether a carrier is spent; the bridge opens the next one at its own tick."""


@pytest.fixture(scope="module", params=PAIRS, ids=[f"{portal}-portal {bridge}-bridge" for portal, bridge in PAIRS])
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def tunnel(pair: tuple[str, str], target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tunnel]:
    portal, bridge = (program(name) for name in pair)
    processes = Processes(tmp_path_factory.mktemp("tunnel"))
    try:
        yield Tunnel(processes, target, portal, bridge, level="debug").up()
    finally:
        processes.end_all()


def test_a_big_download_arrives_whole(tunnel: Tunnel) -> None:
    assert download_is_whole(tunnel.port, BIG_BYTES)


def test_a_big_upload_arrives_whole(tunnel: Tunnel) -> None:
    assert upload_is_whole(tunnel.port, os.urandom(BIG_BYTES))


def test_twenty_transfers_at_once_arrive_whole(tunnel: Tunnel) -> None:
    def transfer(number: int) -> bool:
        rng = random.Random(number)
        size = rng.randrange(1, 1 << 20)
        return download_is_whole(tunnel.port, size) if number % 2 else upload_is_whole(tunnel.port, rng.randbytes(size))

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(transfer, range(20))) == [True] * 20


def test_a_server_that_speaks_first_is_heard(tunnel: Tunnel) -> None:
    with ask(tunnel.greeting_port, b"") as sock:
        assert read_exactly(sock, len(GREETING)) == GREETING
        sock.sendall(b"hello")
        assert read_exactly(sock, 5) == b"hello"


def test_datagrams_come_back(tunnel: Tunnel) -> None:
    for data in (b"a", os.urandom(1200), os.urandom(2048)):
        assert udp_echo(tunnel.udp_port, data) == data


def test_the_servers_close_reaches_the_client(tunnel: Tunnel, pair: tuple[str, str]) -> None:
    durations_s = []
    for _ in range(3):
        begin = time.monotonic()
        with ask(tunnel.port, b"GET 100\n") as sock:
            assert read_to_end(sock) == BLOCK[:100]
        durations_s.append(time.monotonic() - begin)
    # A V2Ray hands an end on after a second, by its own timer.
    assert sorted(durations_s)[1] < (0.3 if pair == ("xrev", "xrev") else 3.0)


def test_a_refused_target_is_told_and_the_tunnel_serves_on(tunnel: Tunnel, pair: tuple[str, str]) -> None:
    def seconds_until_told() -> float:
        begin = time.monotonic()
        with ask(tunnel.refused_port, b"GET 10\n") as sock, contextlib.suppress(ConnectionResetError):
            assert read_to_end(sock) == b""
        return time.monotonic() - begin

    # V2Ray as a bridge tries for a second before it gives up; as a portal it holds the end back for another.
    limit_s = 0.5 if pair == ("xrev", "xrev") else 8.0
    assert quickest(seconds_until_told, limit_s) < limit_s
    assert is_served(tunnel.port, 5)


def test_none_of_300_sessions_is_lost_while_carriers_drain(tunnel: Tunnel, pair: tuple[str, str]) -> None:
    def small(number: int) -> bool:
        return download_is_whole(tunnel.port, number + 1)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(small, range(300))) == [True] * 300
    if pair == ("xrev", "xrev"):        # (V2Ray as the bridge: test_dialect.py)
        until("the bridge opens another carrier", lambda: tunnel.portal.log.count("bridge connected") >= 2, DRAIN_TICKS_S)
    if pair[1] == "xrev":
        until("the bridge is told to drain", lambda: "drains a carrier after" in tunnel.bridge.log, DRAIN_TICKS_S)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(small, range(32))) == [True] * 32
