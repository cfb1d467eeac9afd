"""The server: what each request is joined to, and that everything else is closed without an answer."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.destination import Destination, Request
from proxycore.policy import HANDSHAKE_S
from proxycore.protocols.vless.packet_faces import MAX_PACKET_BACKLOG_BYTES, PACKETS_LINGER_S
from proxycore.stream import NULL_STREAM
from tests.proxycore.protocols.vless.wires import CLIENT, LISTENER, Server
from tests.support.streams import RecordingStream

ID = "5783a3e7e37351cd8642c83782b807c5"
TUNNEL_ID = "278487397e6241389fd3098a63964b6b"
TCP = bytes.fromhex(f"00{ID}00 01 26ad 01 7f000001")
UDP = bytes.fromhex(f"00{ID}00 02 0035 01 01010101")
WEB = Destination("tcp", IPv4Address("127.0.0.1"), 9901)
ALICE = Request(WEB, "in", CLIENT, LISTENER, "alice", 2, vless_route=0x51CD)


def accepted(server: Server) -> RecordingStream:
    client = RecordingStream()
    server.accept(client)
    return client


def test_a_request_is_dispatched_with_who_asks_and_what_followed_it() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(TCP + b"GET /")
    assert server.dispatcher.requests == [ALICE]
    assert server.dispatcher.streams[0].take() == b"GET /"
    assert not client.data


def test_rules_see_the_route_that_the_client_wrote_into_its_id() -> None:
    server = Server()
    accepted(server).peer.write(TCP.replace(bytes.fromhex("51cd"), bytes.fromhex("0003")))
    assert server.dispatcher.requests == [ALICE._replace(vless_route=3)]


@pytest.mark.parametrize("step", [1, 5, 25])
def test_a_request_may_come_in_pieces(step: int) -> None:
    server = Server()
    client = accepted(server)
    for start in range(0, len(TCP), step):
        client.peer.write(TCP[start : start + step])
    client.peer.write(b"x")
    assert server.dispatcher.requests == [ALICE]
    assert server.dispatcher.streams[0].take() == b"x"


def test_the_answer_begins_with_two_zeros_once() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(TCP)
    out = server.dispatcher.streams[0]
    held = out.peer
    held.write(b"first")
    held.write(b"second")       # by one who still holds the face
    out.peer.write(b"third")
    assert client.writes == [b"\x00\x00first", b"second", b"third"]


def test_both_streams_are_joined_directly_once_both_headers_have_passed() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(TCP)
    out = server.dispatcher.streams[0]
    assert client.peer is out
    out.peer.write(b"x")
    assert out.peer is client
    assert client.peer is out


def test_a_destination_that_closes_without_a_byte_is_an_end_without_a_byte() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(TCP)
    server.dispatcher.streams[0].peer.close()
    assert client.closed
    assert not client.data


def test_each_end_pause_and_failure_reaches_the_other_side() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(TCP)
    out = server.dispatcher.streams[0]
    client.peer.pause()
    out.peer.pause()
    assert client.paused
    assert out.paused
    out.peer.resume()
    client.peer.resume()
    assert not client.paused
    assert not out.paused
    client.peer.write_eof()
    out.peer.write_eof()
    assert out.eof
    assert client.eof
    out.peer.abort(None)
    assert client.aborted


def test_a_mux_request_is_dispatched_as_such() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(bytes.fromhex(f"00{ID}0003") + b"frames")
    assert server.dispatcher.requests[0].destination.host == "v1.mux.cool"
    assert server.dispatcher.streams[0].take() == b"frames"


def test_a_tunnels_client_joins_the_tunnel_that_it_is_for() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(bytes.fromhex(f"00{TUNNEL_ID}0004") + b"frames")
    [(tag, request, far)] = server.joined
    assert (tag, request.user, request.source) == ("home", "bridge", CLIENT)
    assert far.take() == b"frames"
    far.peer.write(b"New")
    assert client.take() == b"\x00\x00New"
    assert far.peer is client
    assert server.dispatcher.requests == []


@pytest.mark.parametrize("wire", [
    f"00{ID}0004", f"00{TUNNEL_ID}000126ad017f000001", f"00{TUNNEL_ID}0003", f"00{TUNNEL_ID}000226ad017f000001",
    f"00{ID}0007", f"00{ID}000126ad097f000001", f"00{ID}120a1078746c732d727072782d766973696f6e0126ad017f000001",
    f"00{ID}050a0361626301 26ad 01 7f000001", f"01{ID}000126ad017f000001", f"00{TUNNEL_ID[:-2]}6c000126ad017f000001",
], ids=["reverse of an ordinary user", "TCP of a tunnel's user", "mux of a tunnel's user", "UDP of a tunnel's user",
        "unknown command", "unknown address", "vision", "unknown flow", "version", "unknown user"])
def test_what_is_not_allowed_is_closed_without_an_answer(wire: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "xrev.handshake")
    server = Server()
    client = accepted(server)
    client.peer.write(bytes.fromhex(wire) + b"more")
    assert client.closed
    assert not client.data
    assert client.peer is NULL_STREAM
    assert server.dispatcher.requests == []
    assert server.joined == []
    assert len(caplog.messages) == 1
    assert ID not in caplog.text


def test_a_header_that_never_becomes_whole_is_closed_at_the_deadline() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(TCP[:-1])
    server.turn(HANDSHAKE_S - 1)
    assert not client.closed
    server.turn(2)
    assert client.closed


def test_the_deadline_is_over_with_the_header() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(TCP)
    server.turn(HANDSHAKE_S + 2)
    assert not client.closed


@pytest.mark.parametrize("end", ["write_eof", "close", "abort"])
def test_a_client_that_leaves_within_its_header_is_forgotten(end: str) -> None:
    server = Server()
    client = accepted(server)
    handshake = client.peer
    handshake.write(TCP[:9])
    getattr(handshake, end)(*([None] if end == "abort" else []))
    assert client.closed is (end == "write_eof")
    server.turn(HANDSHAKE_S + 2)
    assert client.closed is (end == "write_eof")


def test_a_neighbour_that_still_holds_the_handshake_is_served() -> None:
    server = Server()
    client = accepted(server)
    handshake = client.peer
    handshake.write(TCP)
    handshake.write(b"more")
    handshake.write_eof()
    out = server.dispatcher.streams[0]
    assert out.take() == b"more"
    assert out.eof


# datagrams


def test_datagrams_keep_their_borders_both_ways() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(UDP + b"\x00\x02hi\x00\x00\x00")
    client.peer.write(b"\x03you")
    flow = server.dispatcher.flows[0]
    assert server.dispatcher.requests[0].destination == Destination("udp", IPv4Address("1.1.1.1"), 53)
    assert flow.packets == [(b"hi", None), (b"you", None)]
    flow.peer.write_packet(b"answer", Destination("udp", IPv4Address("9.9.9.9"), 53))
    flow.peer.write_packet(b"", None)
    flow.peer.write_packet(bytes(8191), None)
    flow.peer.write_packet(b"2", None)
    assert client.writes == [b"\x00\x00\x00\x06answer", b"\x00\x012"]


def test_answers_still_reach_a_client_that_has_ended_its_flow() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(UDP + b"\x00\x01?")
    client.peer.write_eof()
    flow = server.dispatcher.flows[0]
    flow.peer.write_packet(b"!", None)
    assert client.data == b"\x00\x00\x00\x01!"
    server.turn(PACKETS_LINGER_S + 1)
    assert flow.closed
    assert client.closed


def test_a_full_client_gets_a_bounded_backlog() -> None:
    server = Server()
    client = accepted(server)
    client.peer.write(UDP)
    client.peer.pause()
    flow = server.dispatcher.flows[0]
    for _ in range(100):
        flow.peer.write_packet(bytes(4096), None)
    assert len(client.writes) == MAX_PACKET_BACKLOG_BYTES // 4096
    client.peer.resume()
    flow.peer.write_packet(b"x", None)
    assert client.writes[-1] == b"\x00\x01x"


def test_a_flow_ends_with_either_side() -> None:
    for end in ("close", "abort"):
        server = Server()
        client = accepted(server)
        client.peer.write(UDP)
        getattr(client.peer, end)(*([None] if end == "abort" else []))
        assert server.dispatcher.flows[0].closed
    client = accepted(server)
    client.peer.write(UDP)
    server.dispatcher.flows[-1].peer.close()
    assert client.closed


@given(st.binary(max_size=400), st.sampled_from([b"", TCP, UDP, TCP[:17]]), st.integers(1, 60))
def test_no_client_makes_it_raise(data: bytes, begin: bytes, step: int) -> None:
    server = Server()
    client = accepted(server)
    for start in range(0, len(begin + data), step):
        client.peer is not NULL_STREAM and client.peer.write((begin + data)[start : start + step])
    client.peer.write_eof()
    assert not client.data
