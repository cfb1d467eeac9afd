"""One side is killed without a word and started again."""

from __future__ import annotations

import contextlib

import pytest

from tests.e2e.conftest import program
from tests.support.processes import Processes
from tests.support.target import Target, ask, read_exactly, read_to_end
from tests.support.tunnel import Part, Tunnel

AGAIN_S = 1.5
FOREIGN_BRIDGE_S = 2.5
FOREIGN_BRIDGE_AGAIN_S = 4.5
"""V2Ray looks every 2 s at whether it has a carrier, and tries a refused port for another 2 s."""


def test_a_killed_portal_is_found_again_soon(tunnel: Tunnel) -> None:
    away_s, again_s = tunnel.restart("portal")
    assert again_s < AGAIN_S + 2 * away_s       # our bridge waits about twice as long from try to try


def test_a_killed_bridge_serves_again_soon(tunnel: Tunnel) -> None:
    _, again_s = tunnel.restart("bridge")
    assert again_s < AGAIN_S


@pytest.mark.parametrize(("part", "limit_s"), [("portal", FOREIGN_BRIDGE_AGAIN_S), ("bridge", FOREIGN_BRIDGE_S)])
def test_a_killed_side_serves_again_with_v2ray_as_the_bridge(
    processes: Processes, target: Target, part: Part, limit_s: float
) -> None:
    tunnel = Tunnel(processes, target, bridge=program("v2ray")).up()
    _, again_s = tunnel.restart(part)
    assert again_s < limit_s


def test_our_bridge_returns_to_a_killed_v2ray_portal(processes: Processes, target: Target) -> None:
    # (Our bridge killed under a V2Ray portal: V2Ray goes on choosing the dead carrier until it sweeps its list, for up to 30 s.)
    tunnel = Tunnel(processes, target, portal=program("v2ray")).up()
    away_s, again_s = tunnel.restart("portal")
    assert again_s < AGAIN_S + 2 * away_s


def test_clients_are_told_when_the_bridge_is_killed(tunnel: Tunnel) -> None:
    with ask(tunnel.port, b"ECHO\nx", 5) as sock:
        assert read_exactly(sock, 1) == b"x"
        tunnel.bridge.kill()
        with contextlib.suppress(ConnectionResetError):
            assert read_to_end(sock) == b""


def test_a_client_that_comes_while_the_bridge_is_away_waits_for_it(tunnel: Tunnel) -> None:
    tunnel.bridge.kill()
    with ask(tunnel.port, b"GET 5\n") as sock:
        tunnel.start("bridge")
        assert len(read_exactly(sock, 5)) == 5


def test_a_client_is_refused_when_no_bridge_comes(tunnel: Tunnel) -> None:
    tunnel.bridge.kill()
    with ask(tunnel.port, b"GET 5\n", timeout_s=8) as sock, contextlib.suppress(ConnectionResetError):
        assert read_to_end(sock) == b""


def test_the_order_in_which_the_sides_start_does_not_matter(processes: Processes, target: Target) -> None:
    tunnel = Tunnel(processes, target)
    tunnel.start("bridge")
    tunnel.start("portal")
    tunnel.await_served(10)
