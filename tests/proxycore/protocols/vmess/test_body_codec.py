"""The chunks of a body."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.errors import PeerError
from proxycore.protocols.vmess import body_codec
from proxycore.protocols.vmess.body_ciphers import body_ciphers, chacha20_key
from proxycore.protocols.vmess.body_codec import (
    CHUNK_BYTES,
    MAX_SIZE,
    BodyDecoder,
    BodyEncoder,
    Decoder,
    Encoder,
    PaddingSource,
    RawDecoder,
    RawEncoder,
    body_decoder,
    body_encoder,
)
from proxycore.protocols.vmess.header_codec import Command, RequestHeader, Security
from tests.proxycore.protocols.vmess.vectors import CASES, VECTORS, Case

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
TCP = CASES["tcp-aes-masked-padded"].request
CHUNKED = {
    f"{security.name} {options:#04x} {command.name}": replace(TCP, security=security, options=options, command=command)
    for security in Security for options in (0x00, 0x01, 0x05, 0x0D, 0x11, 0x15, 0x1D) for command in (Command.TCP, Command.UDP)
    if options & 1 or security is not Security.NONE
}
every_way = pytest.mark.parametrize("request_header", CHUNKED.values(), ids=CHUNKED.keys())


class Collected:
    """A sink that remembers each call."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def __call__(self, data: memoryview) -> None:
        assert len(data)
        self.pieces.append(bytes(data))

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


def collected(act: Callable[[Collected], None]) -> bytes:
    sink = Collected()
    act(sink)
    return sink.data


def zeros(size: int) -> bytes:
    return bytes(size)


def pair(request: RequestHeader, *, is_response: bool = False) -> tuple[Encoder, Decoder]:
    return (body_encoder(request, PaddingSource(zeros), is_response=is_response),
            body_decoder(request, is_response=is_response))


def padding_of(case: Case, wire: bytes, plain: bytes) -> bytes:
    """The padding of a chunk in the vectors: what is left behind size, ciphertext and tag."""
    sealed = 0 if case.request.security is Security.NONE else 16
    field = 18 if case.request.options & 0x10 else 2 if case.end_wire else 0
    return wire[field + len(plain) + sealed:]


def chunk_runs(case: Case) -> Iterator[tuple[bool, list[tuple[bytes, bytes]]]]:
    yield False, [*case.chunks, (b"", case.end_wire)]
    yield True, list(case.response_chunks)


@every_case
def test_chunks_are_written_as_the_vectors_have_them(case: Case) -> None:
    for is_response, chunks in chunk_runs(case):
        padding = PaddingSource(zeros)
        encoder = body_encoder(case.request, padding, is_response=is_response)
        for plain, wire in chunks:
            padding.block = padding_of(case, wire, plain).ljust(len(padding.block), b"\0")
            padding.cursor = 0
            if plain:
                assert collected(partial(encoder.encode, plain)) == wire
            else:
                assert collected(encoder.encode_end) == wire


@pytest.mark.parametrize("step", [1, 5, 10_000], ids=["byte by byte", "odd cuts", "one read"])
@every_case
def test_chunks_of_the_vectors_are_read_however_they_are_cut(case: Case, step: int) -> None:
    for is_response, chunks in chunk_runs(case):
        decoder, sink = body_decoder(case.request, is_response=is_response), Collected()
        wire = b"".join(chunk[1] for chunk in chunks)
        for start in range(0, len(wire), step):
            decoder.feed(memoryview(wire)[start:start + step], sink)
        assert sink.data == b"".join(chunk[0] for chunk in chunks)
        assert decoder.ended == (not is_response and bool(case.end_wire))
        assert decoder.is_at_border


def test_the_draws_and_the_long_key_come_out() -> None:
    entry = VECTORS["primitives"]["shake_masks"]
    draws = body_ciphers(replace(TCP, body_iv=bytes.fromhex(entry["iv"])), is_response=False).draws
    assert draws is not None
    numbers = draws.squeeze(6) + draws.squeeze(10)
    assert [int.from_bytes(numbers[i:i + 2], "big") for i in range(0, 16, 2)] == entry["u16_sequence"]
    entry = VECTORS["primitives"]["chacha20poly1305_key"]
    assert chacha20_key(bytes.fromhex(entry["in"])).hex() == entry["out"]


@every_way
def test_what_is_written_is_read_back(request_header: RequestHeader) -> None:
    for is_response in (False, True):
        encoder, decoder = pair(request_header, is_response=is_response)
        sink, sent = Collected(), []
        for size in (1, 2, 1000, 8110, 1, CHUNK_BYTES, 77):
            data = hashlib.shake_128(bytes([size & 0xFF])).digest(size)
            sent.append(data)
            encoder.encode(data, partial(decoder.feed, sink=sink))
        assert decoder.is_at_border
        assert not decoder.ended
        encoder.encode_end(partial(decoder.feed, sink=sink))
        assert decoder.ended
        assert sink.data == b"".join(sent)
        if request_header.command is Command.UDP:
            assert sink.pieces == sent


@every_way
def test_a_body_cut_at_any_byte_is_read_the_same(request_header: RequestHeader) -> None:
    encoder, _ = pair(request_header)
    wire = Collected()
    for data in (b"first", b"second one", b"3"):
        encoder.encode(data, wire)
    encoder.encode_end(wire)
    for cut in range(len(wire.data) + 1):
        _, decoder = pair(request_header)
        sink = Collected()
        decoder.feed(wire.data[:cut], sink)
        decoder.feed(wire.data[cut:] + b"ignored", sink)
        assert (sink.data, decoder.ended) == (b"firstsecond one3", True)


def test_a_truncated_body_may_end_only_between_chunks() -> None:
    encoder, _ = pair(TCP)
    wire = Collected()
    encoder.encode(b"abc", wire)
    encoder.encode(b"defg", wire)
    borders = []
    for size in range(len(wire.data) + 1):
        _, decoder = pair(TCP)
        decoder.feed(wire.data[:size], Collected())
        if decoder.is_at_border:
            borders.append(size)
    assert borders == [0, len(wire.pieces[0]), len(wire.data)]


def test_the_end_is_known_by_its_size_alone() -> None:
    case = CASES["tcp-aes-masked-padded"]
    _, decoder = pair(TCP)
    for chunk in case.chunks:
        decoder.feed(chunk.wire, Collected())
    decoder.feed(case.end_wire[:1], Collected())
    assert not decoder.ended
    decoder.feed(case.end_wire[1:2], Collected())
    assert decoder.ended
    assert decoder.is_at_border


def test_large_data_is_cut_into_chunks_and_gathered_in_few_writes() -> None:
    encoder, decoder = pair(replace(TCP, options=0x05))
    data = os.urandom(20 * CHUNK_BYTES + 5)
    wire, sink = Collected(), Collected()
    encoder.encode(data, wire)
    assert len(wire.data) == len(data) + 21 * 18
    assert len(wire.pieces) == 3
    decoder.feed(wire.data, sink)
    assert sink.data == data
    assert len(sink.pieces) == 3


def test_the_small_chunks_of_one_read_reach_the_sink_in_one_call() -> None:
    encoder, decoder = pair(TCP)
    wire, sink = Collected(), Collected()
    for _ in range(32):
        encoder.encode(b"x" * 1966, wire)
    decoder.feed(wire.data, sink)
    assert sink.pieces == [b"x" * 1966 * 32]


def test_the_largest_chunk_that_a_size_can_say_is_read() -> None:
    request = replace(TCP, security=Security.NONE, options=0x01)
    for cut in (1, 2, 3, 40_000, 65_536):
        _, decoder = pair(request)
        sink, wire = Collected(), b"\xff\xff" + b"z" * 65535
        decoder.feed(wire[:cut], sink)
        decoder.feed(wire[cut:], sink)
        assert sink.pieces == [b"z" * 65535]


def test_of_a_cut_chunk_no_more_is_kept_than_a_size_can_say() -> None:
    _, decoder = pair(replace(TCP, options=0x01))
    assert isinstance(decoder, BodyDecoder)
    decoder.feed(b"\xff\xff" + b"z" * 65534, Collected())
    assert decoder._kept is not None
    assert len(decoder._kept) == 65534 <= MAX_SIZE
    with pytest.raises(PeerError):
        decoder.feed(b"z" * 100_000, Collected())


@pytest.mark.parametrize(("options", "wire"), [
    pytest.param(0x01, b"\x00\x0f" + bytes(15), id="less than a tag"),
    pytest.param(0x01, b"\x00\x00", id="zero"),
])
def test_a_size_below_tag_and_padding_is_refused(options: int, wire: bytes) -> None:
    _, decoder = pair(replace(TCP, options=options))
    with pytest.raises(PeerError, match="too short"):
        decoder.feed(wire, Collected())


def test_a_size_without_room_for_the_padding_is_refused() -> None:
    stream = hashlib.shake_128(TCP.body_iv).digest(4)
    pad, mask = int.from_bytes(stream[:2], "big") % 64, int.from_bytes(stream[2:], "big")
    for size, is_end in ((16 + pad, True), (16 + pad - 1, False)):
        _, decoder = pair(TCP)
        wire = (size ^ mask).to_bytes(2, "big")
        if is_end:
            decoder.feed(wire, Collected())
            assert decoder.ended
        else:
            with pytest.raises(PeerError, match="too short"):
                decoder.feed(wire, Collected())


@pytest.mark.parametrize("options", [0x01, 0x05, 0x0D, 0x1D])
def test_a_changed_byte_is_found_and_what_came_before_it_is_delivered(options: int) -> None:
    request = replace(TCP, options=options)
    encoder, _ = pair(request)
    wire = Collected()
    encoder.encode(b"good", wire)
    encoder.encode(b"changed on its way", wire)
    position = len(wire.pieces[0]) + 18 + (options >> 4) * 16      # in the second chunk's ciphertext
    data = bytearray(wire.data)
    data[position] ^= 4
    _, decoder = pair(request)
    sink = Collected()
    with pytest.raises(PeerError, match="tag of a chunk"):
        decoder.feed(data, sink)
    assert sink.data == b"good"


def test_the_counter_wraps_after_65536_chunks() -> None:
    for options in (0x01, 0x11):
        encoder, decoder = pair(replace(TCP, options=options))
        first = collected(partial(encoder.encode, b"same"))
        sink = Collected()
        decoder.feed(first, sink)
        assert isinstance(encoder, BodyEncoder)
        assert isinstance(decoder, BodyDecoder)
        encoder._count = decoder._count = 65535
        last = collected(partial(encoder.encode, b"same"))
        again = collected(partial(encoder.encode, b"same"))
        assert last != first == again
        decoder.feed(last + again, sink)
        assert sink.data == b"same" * 3


def test_a_header_travels_in_one_write_with_the_first_data() -> None:
    for request in (TCP, replace(TCP, security=Security.NONE, options=0)):
        encoder, decoder = pair(request)
        wire, sink = Collected(), Collected()
        encoder.encode(b"data", wire, b"HEADER")
        assert len(wire.pieces) == 1
        assert wire.data.startswith(b"HEADER")
        decoder.feed(wire.data[6:], sink)
        assert sink.data == b"data"
        encoder.encode(b"", wire, b"AGAIN")
        assert wire.pieces[1:] == [b"AGAIN"]
        encoder.encode(b"", wire)
        assert len(wire.pieces) == 2


def test_security_zero_is_the_data_as_it_is() -> None:
    encoder, decoder = pair(replace(TCP, security=Security.NONE, options=0))
    assert isinstance(encoder, RawEncoder)
    assert isinstance(decoder, RawDecoder)
    assert collected(lambda sink: encoder.encode(b"abc", sink)) == b"abc"
    assert collected(encoder.encode_end) == b""
    assert collected(lambda sink: encoder.encode_end(sink, b"H")) == b"H"
    assert collected(lambda sink: decoder.feed(b"abc", sink)) == b"abc"


def test_layers_nest_without_sharing_a_buffer() -> None:
    outer, inner = pair(TCP), pair(replace(TCP, body_iv=bytes(16), security=Security.CHACHA20_POLY1305))
    sink, data = Collected(), os.urandom(300_000)
    inner[0].encode(data, lambda wire: outer[0].encode(
        wire, lambda sealed: outer[1].feed(sealed, lambda opened: inner[1].feed(opened, sink))))
    assert sink.data == data
    assert len(body_codec._wire_pool) <= 4
    assert len(body_codec._plain_pool) <= 4


def test_padding_is_taken_from_a_block_that_is_refilled() -> None:
    calls = []

    def random_bytes(size: int) -> bytes:
        calls.append(size)
        return bytes([len(calls)]) * size

    encoder, decoder = body_encoder(TCP, PaddingSource(random_bytes), is_response=False), pair(TCP)[1]
    sink = Collected()
    for _ in range(5000):
        encoder.encode(b"x", lambda wire: decoder.feed(wire, sink))
    assert sink.data == b"x" * 5000
    assert calls == [65536] * 3


@pytest.mark.fuzz
@given(st.sampled_from(sorted(CHUNKED)), st.lists(st.binary(min_size=1, max_size=3000), max_size=6), st.integers(1, 4000))
def test_any_data_comes_back_in_any_pieces(name: str, data: list[bytes], step: int) -> None:
    encoder, decoder = pair(CHUNKED[name])
    wire, sink = Collected(), Collected()
    for piece in data:
        encoder.encode(piece, wire)
    encoder.encode_end(wire)
    for start in range(0, len(wire.data), step):
        decoder.feed(wire.data[start:start + step], sink)
    assert sink.data == b"".join(data)
    assert decoder.ended


@pytest.mark.fuzz
@given(st.sampled_from(sorted(CHUNKED)), st.lists(st.binary(max_size=300), max_size=6))
def test_garbage_is_an_error_of_the_peer_or_an_end_or_waits(name: str, pieces: list[bytes]) -> None:
    _, decoder = pair(CHUNKED[name])
    sink = Collected()
    for piece in pieces:
        try:
            decoder.feed(piece, sink)
        except PeerError:
            break
    has_tag = CHUNKED[name].security is not Security.NONE
    assert not has_tag or sink.data == b""
