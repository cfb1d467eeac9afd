"""No tunnel: a fixed port, a VMess client, a VMess server, the target; ours and V2Ray on either side of the VMess."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.conftest import program
from tests.support import documents
from tests.support.processes import Processes, free_port
from tests.support.target import GREETING, Target, ask, download_is_whole, read_exactly, udp_echo, upload_is_whole

CIPHERS = ["aes-128-gcm", "chacha20-poly1305", "none"]
PAIRS = [("xrev", "xrev"), ("xrev", "v2ray"), ("v2ray", "xrev")]
MUX_CONCURRENCY = 8
TRANSFER_BYTES = 3 << 20


class Chain:
    """A client and a server process. Ports by (cipher, concurrency of mux), for TCP; one more port for UDP each."""

    def __init__(self, processes: Processes, target: Target, client: str, server: str, ciphers: list[str]) -> None:
        self.processes = processes
        self.tcp: dict[tuple[str, int], int] = {}
        self.udp: dict[tuple[str, int], int] = {}
        self.greeting: dict[tuple[str, int], int] = {}
        server_port = free_port()
        doors, outbounds, rules = [], [], []
        for cipher in ciphers:
            for mux in (0, MUX_CONCURRENCY):
                key, name = (cipher, mux), f"{cipher}-{mux}"
                self.tcp[key], self.udp[key], self.greeting[key] = free_port(), free_port(), free_port()
                doors += [
                    documents.door(f"tcp-{name}", self.tcp[key], target.port),
                    documents.door(f"udp-{name}", self.udp[key], target.udp_port, "udp"),
                    documents.door(f"greeting-{name}", self.greeting[key], target.greeting_port),
                ]
                outbounds.append(documents.vmess_outbound(name, server_port, cipher, mux))
                rules.append(documents.rule(name, inboundTag=[f"tcp-{name}", f"udp-{name}", f"greeting-{name}"]))
        freedom = {"tag": "out", "protocol": "freedom"}
        self.server = processes.run_document(
            "server", program(server), documents.proxy([documents.vmess_inbound("in", server_port)], [freedom])
        )
        self.server.await_port(server_port)
        self.client = processes.run_document("client", program(client), documents.proxy(doors, outbounds, rules))
        self.client.await_port(doors[-1]["port"])


@pytest.fixture(scope="module", params=PAIRS, ids=[f"{client}-client {server}-server" for client, server in PAIRS])
def chain(request: pytest.FixtureRequest, target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    client, server = request.param
    processes = Processes(tmp_path_factory.mktemp("chain"))
    try:
        yield Chain(processes, target, client, server, CIPHERS)
    finally:
        processes.end_all()


each_way = pytest.mark.parametrize("key", [(cipher, mux) for cipher in CIPHERS for mux in (0, MUX_CONCURRENCY)],
                                   ids=lambda key: f"{key[0]}{' mux' if key[1] else ''}")


@each_way
def test_bytes_arrive_whole_both_ways(chain: Chain, key: tuple[str, int]) -> None:
    assert download_is_whole(chain.tcp[key], TRANSFER_BYTES)
    assert upload_is_whole(chain.tcp[key], os.urandom(TRANSFER_BYTES))


@each_way
def test_datagrams_come_back(chain: Chain, key: tuple[str, int]) -> None:
    for data in (b"a", os.urandom(1400)):
        assert udp_echo(chain.udp[key], data) == data


@each_way
def test_a_server_that_speaks_first_is_heard(chain: Chain, key: tuple[str, int]) -> None:
    with ask(chain.greeting[key], b"") as sock:
        assert read_exactly(sock, len(GREETING)) == GREETING


def test_many_sessions_share_carriers_and_none_is_lost(chain: Chain) -> None:
    port = chain.tcp["aes-128-gcm", MUX_CONCURRENCY]
    with ThreadPoolExecutor(20) as pool:        # more than a carrier takes, and more than it ever takes in all
        assert all(pool.map(lambda number: download_is_whole(port, 1 + number * 37), range(300)))


def test_zero_carries_bytes_and_datagrams_between_two_of_ours(processes: Processes, target: Target) -> None:
    chain = Chain(processes, target, "xrev", "xrev", ["zero", "auto"])
    for key in chain.tcp:
        assert download_is_whole(chain.tcp[key], TRANSFER_BYTES)
        assert upload_is_whole(chain.tcp[key], os.urandom(TRANSFER_BYTES))
    # without mux a datagram needs a chunk of its own, which zero has not
    for key in (("zero", MUX_CONCURRENCY), ("auto", 0), ("auto", MUX_CONCURRENCY)):
        assert udp_echo(chain.udp[key], b"datagram") == b"datagram"


@pytest.mark.parametrize("core", ["xrev", "xray"])
def test_the_program_of_a_client_decides(core: str, processes: Processes, target: Target) -> None:
    port = free_port()
    name = os.path.basename(os.path.realpath(sys.executable))
    free = documents.freedom("free", core)
    document = documents.proxy([documents.door("web", port, target.port)], [{"tag": "none", "protocol": "blackhole"}, free], [
        documents.rule("none", inboundTag=["web"], process=["curl"]), documents.rule("free", process=[name])])
    processes.run_document("a", program(core), document).await_port(port)
    assert download_is_whole(port, 1000)
