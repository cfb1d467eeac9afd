"""The server, spoken to with the bytes of the vectors."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from proxycore.destination import Destination
from proxycore.errors import LinkDown, PeerError
from proxycore.protocols.vmess.authenticator import VmessCredential
from proxycore.protocols.vmess.body_codec import PaddingSource, body_decoder, body_encoder
from proxycore.protocols.vmess.header_codec import Command, encode_auth_id, encode_plain_request, seal_request
from proxycore.protocols.vmess.inbound import Handshake
from proxycore.stream import NULL_STREAM
from tests.proxycore.protocols.vmess.vectors import CASES, Case
from tests.proxycore.protocols.vmess.wires import CLIENT, LISTENER, NOW, Server
from tests.support.streams import RecordingStream

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
TCP = CASES["tcp-aes-masked-padded"]
UDP = CASES["udp-aes"]
STRANGER = VmessCredential(b"S" * 16)


@pytest.fixture
def server() -> Server:
    return Server()


def connect(server: Server) -> RecordingStream:
    """A new connection; write to its peer what the client sends."""
    stream = RecordingStream()
    server.accept(stream)
    return stream


def request_wire(case: Case, *, plain: bytes | None = None, time_s: int = int(NOW), random: bytes = b"rand",
                 credential: VmessCredential | None = None) -> bytes:
    key = (credential or case.credential).command_key
    plain = encode_plain_request(case.request, b"") if plain is None else plain
    return seal_request(key, encode_auth_id(key, time_s, random), b"8 bytes.", plain)


def response_of(case: Case, stream: RecordingStream) -> list[bytes]:
    data = bytes(stream.data)
    assert data.startswith(case.response_wire)
    pieces: list[bytes] = []
    body_decoder(case.request, is_response=True).feed(data[len(case.response_wire):], lambda piece: pieces.append(bytes(piece)))
    return pieces


@pytest.mark.parametrize("step", [1, 33, 100_000], ids=["byte by byte", "odd cuts", "one read"])
@every_case
def test_a_request_of_the_vectors_is_dispatched_with_its_data(server: Server, case: Case, step: int) -> None:
    stream = connect(server)
    wire = case.request_wire
    for start in range(0, len(wire), step):
        stream.peer.write(memoryview(wire)[start:start + step])
    [request] = server.dispatcher.requests
    assert request.destination == case.request.destination
    assert (request.inbound_tag, request.user, request.level) == ("in", "alice", 2)
    assert (request.source, request.local) == (CLIENT, LISTENER)
    if case.request.command is Command.UDP:
        [flow] = server.dispatcher.flows
        assert flow.packets == [(chunk.plain, None) for chunk in case.chunks]
    else:
        [far] = server.dispatcher.streams
        assert far.data == case.request_plain
        assert far.eof == bool(case.end_wire)
    assert stream.data == b""
    assert server.dispatcher.flows or not stream.closed


@every_case
def test_the_response_header_comes_in_one_write_with_the_first_data(server: Server, case: Case) -> None:
    stream = connect(server)
    stream.peer.write(case.header_wire)
    if case.request.command is Command.UDP:
        server.dispatcher.flows[0].peer.write_packet(b"answer", Destination("udp", IPv4Address("192.0.2.9"), 53))
        server.dispatcher.flows[0].peer.write_packet(b"more", None)
    else:
        server.dispatcher.streams[0].peer.write(b"answer")
        server.dispatcher.streams[0].peer.write(b"more")
    assert len(stream.writes) == 2
    assert b"".join(response_of(case, stream)) == b"answermore"


def test_each_direction_ends_by_itself_and_the_second_end_closes(server: Server) -> None:
    stream = connect(server)
    stream.peer.write(TCP.request_wire)
    far = server.dispatcher.streams[0]
    assert far.eof
    far.peer.write(b"late answer")
    assert not stream.closed
    far.peer.write_eof()
    assert stream.closed
    assert not stream.eof
    assert response_of(TCP, stream) == [b"late answer"]
    assert not far.closed


def test_the_end_mark_of_the_response_leaves_the_request_open(server: Server) -> None:
    stream = connect(server)
    stream.peer.write(TCP.header_wire)
    far = server.dispatcher.streams[0]
    far.peer.write_eof()
    decoder = body_decoder(TCP.request, is_response=True)
    decoder.feed(stream.data[len(TCP.response_wire):], lambda piece: None)
    assert decoder.ended
    assert not stream.closed
    assert not stream.eof
    for chunk in TCP.chunks:
        stream.peer.write(chunk.wire)
    assert far.data == TCP.request_plain
    stream.peer.write(TCP.end_wire)
    assert (far.eof, stream.closed) == (True, True)
    far.peer.write(b"after the end")
    far.peer.close()
    assert len(stream.writes) == 1


def test_without_end_marks_the_streams_own_end_is_used(server: Server) -> None:
    case = CASES["tcp-zero"]
    stream = connect(server)
    stream.peer.write(case.header_wire)
    far = server.dispatcher.streams[0]
    far.peer.write_eof()
    assert (stream.eof, stream.closed) == (True, False)
    stream.peer.write(b"raw")
    stream.peer.write_eof()
    assert far.data == b"raw"
    assert (far.eof, stream.closed) == (True, True)


def test_a_user_who_wants_no_end_mark_gets_none() -> None:
    server = Server({"id": "5783a3e7-e373-51cd-8642-c83782b807c5", "experiments": "NoTerminationSignal"})
    stream = connect(server)
    stream.peer.write(TCP.header_wire)
    server.dispatcher.streams[0].peer.write_eof()
    assert stream.eof
    assert stream.data == TCP.response_wire


def test_a_client_that_ends_between_chunks_has_ended_its_request(server: Server) -> None:
    stream = connect(server)
    stream.peer.write(TCP.header_wire + TCP.chunks[0].wire)
    stream.peer.write_eof()
    far = server.dispatcher.streams[0]
    assert (far.eof, far.aborted, stream.closed) == (True, False, False)
    far.peer.close()
    assert stream.closed


def test_a_client_that_ends_within_a_chunk_has_failed(server: Server) -> None:
    for end in ("write_eof", "close"):
        server = Server()
        stream = connect(server)
        stream.peer.write(TCP.header_wire + TCP.chunks[0].wire[:-1])
        getattr(stream.peer, end)()
        far = server.dispatcher.streams[0]
        assert far.aborted
        assert isinstance(far.error, PeerError)
        assert stream.aborted == (end == "write_eof")
        assert stream.peer is NULL_STREAM


def test_a_broken_chunk_ends_both_neighbours_once(server: Server) -> None:
    stream = connect(server)
    face_holder = stream.peer
    stream.peer.write(TCP.header_wire + TCP.chunks[0].wire)
    broken = bytearray(TCP.chunks[1].wire)
    broken[5] ^= 1
    far = server.dispatcher.streams[0]
    upper = far.peer
    stream.peer.write(broken)
    assert far.data == TCP.chunks[0].plain
    assert (far.aborted, stream.aborted) == (True, True)
    far.aborted = stream.aborted = False
    face_holder.write(b"more")
    face_holder.write_eof()
    face_holder.close()
    upper.write(b"more")
    upper.write_eof()
    upper.pause()
    upper.close()
    upper.abort(None)
    done = (far.aborted, far.closed, far.eof, stream.aborted, stream.closed, stream.paused)
    assert not any(done)
    assert far.data == TCP.chunks[0].plain


def test_back_pressure_goes_through_both_ways(server: Server) -> None:
    stream = connect(server)
    stream.peer.write(TCP.header_wire)
    far = server.dispatcher.streams[0]
    far.peer.pause()
    assert stream.paused
    far.peer.resume()
    assert not stream.paused
    stream.peer.pause()
    assert far.paused
    stream.peer.resume()
    assert not far.paused


def test_the_end_of_either_neighbour_reaches_the_other(server: Server) -> None:
    for act, check in (("close", "closed"), ("abort", "aborted")):
        arguments = (LinkDown("gone"),) if act == "abort" else ()
        server = Server()
        stream = connect(server)
        stream.peer.write(TCP.header_wire)
        far = server.dispatcher.streams[0]
        getattr(stream.peer, act)(*arguments)
        assert (getattr(far, check), far.peer is not NULL_STREAM) == (True, True)
        server = Server()
        stream = connect(server)
        stream.peer.write(TCP.header_wire)
        getattr(server.dispatcher.streams[0].peer, act)(*arguments)
        assert getattr(stream, check)


def broken_handshakes() -> dict[str, tuple[bytes, str]]:
    changed = bytearray(request_wire(TCP))
    changed[20] ^= 1
    in_header = bytearray(request_wire(TCP))
    in_header[-1] ^= 1
    no_masking = encode_plain_request(replace(TCP.request, options=0x09), b"")
    return {
        "unknown user": (request_wire(TCP, credential=STRANGER), "unknown user"),
        "not VMess": (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "unknown user"),
        "late clock": (request_wire(TCP, time_s=int(NOW) - 121), "clock: the client's is -122 s off"),
        "bad length": (bytes(changed), "bad tag"),
        "bad header": (bytes(in_header), "bad tag"),
        "bad command": (request_wire(TCP, plain=b"\0" * 60), "0 is not a valid Command"),
        "padding without masking": (request_wire(TCP, plain=no_masking), "padding without masking"),
        "too long": (request_wire(TCP, plain=bytes(513)), "bytes of a request header: 513 is above the limit of 512"),
    }


@pytest.mark.parametrize("name", broken_handshakes())
def test_every_failed_handshake_is_drained_alike_and_logged_apart(
        server: Server, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "xrev.handshake")
    wire, reason = broken_handshakes()[name]
    stream = connect(server)
    handshake = stream.peer
    stream.peer.write(wire)
    assert caplog.messages == [f"inbound in: handshake from 192.0.2.7:50000 failed: {reason}"]
    assert isinstance(handshake, Handshake)
    assert handshake._decoder is None
    low = server.inbound._drain.base_bytes
    high = low + server.inbound._drain.roll_range
    stream.peer.write(bytes(low - len(wire) - 1))
    assert not stream.closed
    read = low - 1
    while not stream.closed:
        stream.peer.write(b"\0")
        read += 1
    assert low <= read < high
    assert stream.data == b""
    assert (server.dispatcher.requests, stream.aborted, stream.eof) == ([], False, False)
    assert handshake.wheel_slot == -1
    assert len(caplog.messages) == 1


def test_a_replayed_request_is_drained(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "xrev.handshake")
    first, second, third = connect(server), connect(server), connect(server)
    first.peer.write(TCP.request_wire)
    second.peer.write(TCP.request_wire)
    third.peer.write(request_wire(TCP, random=b"new."))
    assert len(server.dispatcher.requests) == 1
    assert [line.split("failed: ")[1] for line in caplog.messages] == ["replay of a request", "replay of a session"]
    for stream in (second, third):
        assert not stream.closed
        stream.peer.write(bytes(3400))
        assert stream.closed


@pytest.mark.parametrize("wire", [b"", b"15 bytes of 16.", TCP.header_wire[:41], TCP.header_wire[:-1], bytes(40)],
                         ids=["nothing", "no authID", "no length", "no whole header", "unknown user"])
def test_after_sixty_seconds_a_connection_without_header_is_closed(server: Server, wire: bytes) -> None:
    stream = connect(server)
    if wire:
        stream.peer.write(wire)
    server.turn(59)
    assert not stream.closed
    server.turn(1)
    assert stream.closed
    assert stream.data == b""
    assert stream.peer is NULL_STREAM


def test_an_authenticated_connection_has_no_deadline(server: Server) -> None:
    stream = connect(server)
    stream.peer.write(TCP.header_wire)
    server.turn(200)
    assert not stream.closed
    assert not server.dispatcher.streams[0].ended


@pytest.mark.parametrize("end", ["write_eof", "close", "abort"])
@pytest.mark.parametrize("wire", [b"", TCP.header_wire[:30], bytes(100)], ids=["nothing", "half a header", "draining"])
def test_a_client_that_leaves_early_leaves_nothing_behind(server: Server, wire: bytes, end: str) -> None:
    stream = connect(server)
    handshake = stream.peer
    assert isinstance(handshake, Handshake)
    handshake.write(wire)
    getattr(handshake, end)(*([None] if end == "abort" else []))
    assert handshake.wheel_slot == -1
    assert stream.peer is NULL_STREAM
    assert stream.closed == (end == "write_eof")
    handshake.write(bytes(9000))
    handshake.pause()
    handshake.resume()
    assert not server.dispatcher.requests


def test_a_neighbour_that_still_holds_the_handshake_reaches_the_body(server: Server) -> None:
    stream = connect(server)
    handshake = stream.peer
    handshake.write(TCP.header_wire)
    far = server.dispatcher.streams[0]
    handshake.write(TCP.chunks[0].wire)
    assert far.data == TCP.chunks[0].plain
    handshake.pause()
    assert far.paused
    handshake.resume()
    assert not far.paused
    handshake.write_eof()
    assert far.eof
    handshake.close()
    handshake.abort(None)
    assert (far.closed, far.aborted) == (True, False)


def test_answers_still_reach_a_client_that_ended_its_flow_of_datagrams(server: Server) -> None:
    stream = connect(server)
    stream.peer.write(UDP.request_wire)
    [flow] = server.dispatcher.flows
    assert not flow.closed
    flow.peer.write_packet(b"answer", None)
    assert response_of(UDP, stream) == [b"answer"]
    server.turn(2)
    assert flow.closed
    assert stream.closed


def test_a_flow_of_datagrams_ends_from_either_side(server: Server) -> None:
    stream = connect(server)
    stream.peer.write(UDP.header_wire)
    [flow] = server.dispatcher.flows
    flow.peer.close()
    flow.peer.close()
    assert stream.closed
    assert not flow.closed
    for end in ("close", "abort", "write"):
        server = Server()
        stream = connect(server)
        stream.peer.write(UDP.header_wire)
        getattr(stream.peer, end)(*{"abort": (None,), "write": (bytes(70_000),)}.get(end, ()))
        assert server.dispatcher.flows[0].closed
        assert stream.aborted == (end == "write")


def test_datagrams_that_the_protocol_cannot_carry_are_dropped(server: Server) -> None:
    stream = connect(server)
    stream.peer.write(UDP.header_wire)
    [flow] = server.dispatcher.flows
    for size in (0, 8111, 8112, 60_000):
        flow.peer.write_packet(bytes(size), None)
    assert [len(piece) for piece in response_of(UDP, stream)] == [8111]


def test_a_full_stream_takes_a_burst_of_datagrams_and_then_drops(server: Server) -> None:
    stream = connect(server)
    stream.peer.write(UDP.header_wire)
    [flow] = server.dispatcher.flows
    stream.peer.pause()
    for _ in range(100):
        flow.peer.write_packet(bytes(8000), None)
    assert len(stream.writes) == 8
    stream.peer.resume()
    flow.peer.write_packet(b"x", None)
    assert len(stream.writes) == 9


def test_garbage_of_any_kind_never_raises(server: Server) -> None:
    encoder = body_encoder(TCP.request, PaddingSource(bytes), is_response=False)
    wire = bytearray(request_wire(TCP))
    encoder.encode(b"x" * 50, wire.extend)
    for position in range(len(wire)):
        changed = bytearray(wire)
        changed[position] ^= 0x55
        server = Server()
        stream = connect(server)
        stream.peer.write(changed)
        stream.peer.write_eof()
        assert stream.data == b""
