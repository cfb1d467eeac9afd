"""Our inbound as a mux server, spoken to in frames: what Xray's XUDP sends and V2Ray never does."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from proxycore.protocols.vmess.header_codec import Command
from tests.support import documents
from tests.support.processes import LOCALHOST, XREV, Processes, free_port
from tests.support.target import BLOCK, Target
from tests.support.vmess_client import VmessClient

GLOBAL_ID = bytes(range(8))


@pytest.fixture(scope="module")
def server_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    processes = Processes(tmp_path_factory.mktemp("server"))
    port = free_port()
    try:
        document = documents.proxy([documents.vmess_inbound("in", port)], [{"tag": "out", "protocol": "freedom"}])
        processes.run_document("server", XREV, document).await_port(port)
        yield port
    finally:
        processes.end_all()


@pytest.fixture
def client(server_port: int) -> Iterator[VmessClient]:
    with VmessClient(server_port, Command.MUX, "v1.mux.cool") as client:
        yield client


def address(port: int) -> bytes:
    return struct.pack(">HB", port, 1) + IPv4Address(LOCALHOST).packed


def frame(session_id: int, status: int, extra: bytes = b"", data: bytes | None = None) -> bytes:
    head = struct.pack(">HHBB", 4 + len(extra), session_id, status, 0 if data is None else 1) + extra
    return head if data is None else head + struct.pack(">H", len(data)) + data


def next_frame(client: VmessClient) -> tuple[int, int, bytes, bytes]:
    """Session id, status, extra, data."""
    (size,) = struct.unpack(">H", client.receive(2))
    meta = client.receive(size)
    session_id, status, option = struct.unpack(">HBB", meta[:4])
    data = b""
    if option & 1:
        (size,) = struct.unpack(">H", client.receive(2))
        data = client.receive(size)
    return session_id, status, meta[4:], data


def test_xudp_on_session_0_carries_datagrams_with_their_addresses(client: VmessClient, target: Target) -> None:
    udp = b"\x02" + address(target.udp_port)
    client.send(frame(0, 1, udp + GLOBAL_ID, b"first"))
    assert next_frame(client) == (0, 2, udp, b"first")
    for data in (b"second", os.urandom(1400)):
        client.send(frame(0, 2, udp, data))
        assert next_frame(client) == (0, 2, udp, data)


def test_one_udp_session_reaches_several_addresses(client: VmessClient, target: Target) -> None:
    nobody = b"\x02" + address(free_port())
    udp = b"\x02" + address(target.udp_port)
    client.send(frame(0, 1, nobody + GLOBAL_ID, b"lost") + frame(0, 2, udp, b"found"))
    assert next_frame(client) == (0, 2, udp, b"found")


def test_sessions_of_a_carrier_are_served_side_by_side(client: VmessClient, target: Target) -> None:
    tcp = b"\x01" + address(target.port)
    client.send(b"".join(frame(number, 1, tcp, b"GET %d\n" % number) for number in range(1, 9)))
    got = {number: b"" for number in range(1, 9)}
    ended = set()
    while ended != set(got):
        session_id, status, _, data = next_frame(client)
        assert status in (2, 3)
        got[session_id] += data
        if status == 3:
            ended.add(session_id)
    assert got == {number: BLOCK[:number] for number in range(1, 9)}


def test_keep_alive_is_ignored_and_an_unknown_session_is_ended_once(client: VmessClient, target: Target) -> None:
    client.send(frame(9, 4, data=b"ignored") + frame(77, 2, data=b"x") * 3)
    client.send(frame(1, 1, b"\x01" + address(target.port), b"GET 1\n"))
    assert next_frame(client) == (77, 3, b"", b"")
    assert next_frame(client) == (1, 2, b"", BLOCK[:1])


def test_a_refused_target_ends_its_session_only(client: VmessClient, target: Target) -> None:
    client.send(frame(1, 1, b"\x01" + address(free_port())))
    session_id, status, _, _ = next_frame(client)
    assert (session_id, status) == (1, 3)
    client.send(frame(2, 1, b"\x01" + address(target.port), b"GET 3\n"))
    assert next_frame(client) == (2, 2, b"", BLOCK[:3])
