"""A TCP connection as a stream, on real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import struct

import pytest

from proxycore.errors import LinkDown
from proxycore.net import socket_stream
from proxycore.net.limits import CONNECTION_IDLE_S, HALF_CLOSED_IDLE_S
from proxycore.net.socket_stream import (
    FIRST_READ_BYTES,
    LINGER_ABOVE_BYTES,
    LINGER_S,
    READ_BYTES,
    SLOW_S,
    SocketStream,
)
from tests.support.sockets import World, turns, until
from tests.support.streams import RecordingStream

SMALL_BUFFER = 16 * 1024
BIG_BYTES = 4 << 20
RESET_ON_CLOSE = struct.pack("ii", 1, 0)        # SO_LINGER


async def test_bytes_go_both_ways(world: World) -> None:
    stream, neighbour, far = world.stream()
    far.send(b"to us")
    await until(lambda: neighbour.data == b"to us")
    stream.write(b"to ")
    stream.write(bytearray(b"them"))
    assert await world.read(far, 7) == b"to them"
    assert (stream.received, stream.sent) == (5, 7)


async def test_reads_grow_while_they_come_back_full_and_are_handed_on_in_order(world: World) -> None:
    _, neighbour, far = world.stream()
    data = os.urandom(BIG_BYTES)
    await asyncio.wait_for(world.loop.sock_sendall(far, data), 5)
    await until(lambda: len(neighbour.data) == BIG_BYTES)
    assert neighbour.data == data
    assert FIRST_READ_BYTES <= max(map(len, neighbour.writes)) <= READ_BYTES


async def test_where_reads_take_long_to_hand_on_they_become_small_and_grow_again_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, neighbour, far = world.stream()
    now_s, s_per_byte = 1000.0, 4e-6           # frames of a few bytes, each with its price

    def take_long() -> None:
        nonlocal now_s
        now_s += len(neighbour.writes[-1]) * s_per_byte

    neighbour.on_write = take_long
    monkeypatch.setattr(socket_stream, "monotonic", lambda: now_s)
    await asyncio.wait_for(world.loop.sock_sendall(far, bytes(BIG_BYTES)), 5)
    await until(lambda: len(neighbour.data) == BIG_BYTES)
    sizes = [len(one) for one in neighbour.writes]
    assert max(sizes[1:]) * s_per_byte <= 2 * SLOW_S
    s_per_byte = 0.0
    await asyncio.wait_for(world.loop.sock_sendall(far, bytes(BIG_BYTES)), 5)
    await until(lambda: len(neighbour.data) == 2 * BIG_BYTES)
    assert max(len(one) for one in neighbour.writes[len(sizes):]) > FIRST_READ_BYTES


# the end of one direction


async def test_the_far_ends_end_is_told_and_the_other_direction_stays_open(world: World) -> None:
    stream, neighbour, far = world.stream()
    far.shutdown(socket.SHUT_WR)
    await until(lambda: neighbour.eof)
    assert not stream.ended
    stream.write(b"the answer")
    assert await world.read(far, 10) == b"the answer"
    stream.write_eof()
    assert await world.read_all(far) == b""
    assert stream.ended
    assert world.census.count == 0


async def test_an_end_that_is_there_is_told_in_the_same_turn_as_the_last_bytes(world: World) -> None:
    _, neighbour, far = world.stream()
    told: list[bool] = []
    neighbour.on_write = lambda: world.poller.call_soon(lambda: told.append(neighbour.eof))
    far.send(b"the last bytes")
    far.shutdown(socket.SHUT_WR)
    await until(lambda: told)
    assert neighbour.data == b"the last bytes"
    assert told == [True]


async def test_an_end_behind_urgent_data_is_told_after_all_that_came_before_it(world: World) -> None:
    _, neighbour, far = world.stream()
    far.send(b"before")
    far.send(b"!", socket.MSG_OOB)
    far.send(b"after")
    far.shutdown(socket.SHUT_WR)
    await until(lambda: neighbour.eof)
    assert neighbour.data == b"beforeafter"


async def test_a_neighbour_that_pauses_with_the_last_bytes_is_told_the_end_later(world: World) -> None:
    stream, neighbour, far = world.stream()
    neighbour.on_write = stream.pause
    far.send(b"the last bytes")
    far.shutdown(socket.SHUT_WR)
    await until(lambda: neighbour.data)
    await turns()
    assert not neighbour.eof
    stream.resume()
    await until(lambda: neighbour.eof)


async def test_our_end_is_sent_and_the_other_direction_stays_open(world: World) -> None:
    stream, neighbour, far = world.stream()
    stream.write(b"the question")
    stream.write_eof()
    assert await world.read_all(far) == b"the question"
    stream.write(b"nothing after the end")
    far.send(b"the answer")
    await until(lambda: neighbour.data == b"the answer")
    assert not neighbour.eof
    far.close()
    await until(lambda: neighbour.eof)
    assert stream.ended
    assert world.census.count == 0


async def test_our_end_waits_for_what_was_written_before(world: World) -> None:
    stream, neighbour, far = world.stream(SMALL_BUFFER)
    data = os.urandom(BIG_BYTES)
    stream.write(data)
    stream.write_eof()
    assert neighbour.paused
    assert await world.read_all(far) == data


# back-pressure


async def test_a_full_socket_pauses_the_neighbour_until_all_was_sent(world: World) -> None:
    stream, neighbour, far = world.stream(SMALL_BUFFER)
    pieces = [os.urandom(300_000) for _ in range(5)]
    for piece in pieces:
        stream.write(piece)
    assert neighbour.paused
    assert stream.backlog_bytes > 1_000_000
    assert await world.read(far, 1_500_000) == b"".join(pieces)
    await until(lambda: not neighbour.paused)
    assert stream.backlog_bytes == 0
    stream.write(b"more")
    assert await world.read(far, 4) == b"more"


async def test_what_waits_is_a_copy(world: World) -> None:
    stream, _, far = world.stream(SMALL_BUFFER)
    data = bytearray(b"a" * BIG_BYTES)
    stream.write(memoryview(data))
    data[:] = b"b" * BIG_BYTES          # the caller uses its buffer again
    assert await world.read(far, BIG_BYTES) == b"a" * BIG_BYTES


async def test_a_paused_stream_gives_one_more_read_at_most_and_all_of_it_later(world: World) -> None:
    stream, neighbour, far = world.stream()
    stream.pause()
    sending = asyncio.ensure_future(world.loop.sock_sendall(far, bytes(BIG_BYTES)))
    await turns()
    assert len(neighbour.data) <= READ_BYTES
    stream.resume()
    await asyncio.wait_for(sending, 5)
    await until(lambda: len(neighbour.data) == BIG_BYTES)


async def test_the_end_of_a_paused_stream_is_told_after_what_came_before_it(world: World) -> None:
    stream, neighbour, far = world.stream()
    stream.pause()
    far.send(b"last words")
    far.close()
    await turns()
    assert not neighbour.eof
    stream.resume()
    await until(lambda: neighbour.eof)
    assert neighbour.data == b"last words"


async def test_pausing_twice_and_resuming_twice_is_once(world: World) -> None:
    stream, neighbour, far = world.stream()
    stream.pause()
    stream.pause()
    stream.resume()
    stream.resume()
    far.send(b"x")
    await until(lambda: neighbour.data == b"x")


# close


async def test_close_sends_everything_that_was_written(world: World) -> None:
    stream, neighbour, far = world.stream(SMALL_BUFFER)
    data = os.urandom(BIG_BYTES)
    stream.write(data)
    stream.close()
    stream.close()
    stream.write(b"too late")
    far.send(b"thrown away")
    assert await world.read_all(far) == data
    far.close()
    await until(lambda: stream.ended)
    assert neighbour.data == b""
    assert not neighbour.ended, "who closed is not called again"
    assert world.census.count == 0


async def test_close_does_not_let_a_reset_overtake_the_last_bytes(world: World) -> None:
    stream, neighbour, far = world.stream()
    far.send(bytes(LINGER_ABOVE_BYTES + 1))         # a far end that sends a lot, and goes on
    await until(lambda: len(neighbour.data) == LINGER_ABOVE_BYTES + 1)
    stream.write(b"the answer")
    stream.close()
    await world.loop.sock_sendall(far, bytes(100_000))
    assert await world.read_all(far) == b"the answer"
    assert not stream.ended
    world.turn(LINGER_S + 1)
    assert stream.ended


async def test_close_of_a_quiet_connection_is_immediate(world: World) -> None:
    stream, neighbour, far = world.stream()
    far.send(b"a request")
    await until(lambda: neighbour.data == b"a request")
    stream.write(b"an answer")
    stream.close()
    assert stream.ended
    assert world.census.count == 0
    assert await world.read_all(far) == b"an answer"


async def test_a_closed_connection_whose_far_end_never_ends_is_dropped_after_lingering(world: World) -> None:
    stream, _neighbour, far = world.stream(SMALL_BUFFER)
    stream.write(bytes(BIG_BYTES))
    stream.close()
    assert len(await world.read(far, BIG_BYTES)) == BIG_BYTES
    await until(lambda: stream.backlog_bytes == 0)
    await turns()
    assert not stream.ended
    world.turn(LINGER_S + 1)
    assert stream.ended


async def test_a_slow_reader_still_gets_what_was_written_before_the_close(world: World) -> None:
    stream, _, far = world.stream(SMALL_BUFFER)
    data = os.urandom(BIG_BYTES)
    stream.write(data)
    stream.close()
    got = bytearray()
    for _ in range(4):
        got += await world.read(far, BIG_BYTES // 8)
        await turns()
        world.turn(LINGER_S + 1)
        assert not stream.ended
    assert bytes(got) + await world.read_all(far) == data
    await until(lambda: stream.backlog_bytes == 0)
    await turns()
    world.turn(LINGER_S + 1)        # the far end does not end: it is not waited for any longer than of others
    assert stream.ended


async def test_abort_drops_what_waits(world: World) -> None:
    stream, neighbour, far = world.stream(SMALL_BUFFER)
    stream.write(bytes(BIG_BYTES))
    stream.abort(None)
    stream.abort(None)
    assert stream.ended
    assert stream.backlog_bytes == 0
    assert world.census.count == 0
    assert not neighbour.ended
    with pytest.raises((AssertionError, ConnectionResetError)):
        await world.read(far, BIG_BYTES)


async def test_a_reset_is_told_once_as_an_abort(world: World) -> None:
    stream, neighbour, far = world.stream()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    far.close()
    await until(lambda: neighbour.aborted)
    assert isinstance(neighbour.error, ConnectionResetError)
    assert stream.ended
    stream.write(b"ignored")
    stream.write_eof()
    stream.close()
    assert not neighbour.closed


async def test_a_reset_while_data_waits_is_told(world: World) -> None:
    stream, neighbour, far = world.stream(SMALL_BUFFER)
    stream.write(bytes(BIG_BYTES))
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    far.close()
    await until(lambda: neighbour.aborted)
    assert stream.ended


# idle


async def test_an_idle_connection_is_ended_after_one_to_two_periods(world: World) -> None:
    stream, neighbour, far = world.stream()
    far.send(b"x")
    await until(lambda: neighbour.data == b"x")
    world.turn(CONNECTION_IDLE_S)
    assert not stream.ended
    world.turn(CONNECTION_IDLE_S)
    assert stream.ended
    assert isinstance(neighbour.error, LinkDown)


async def test_a_connection_in_use_is_not_ended(world: World) -> None:
    stream, neighbour, _far = world.stream()
    for number in range(1, 6):
        stream.write(b"x")
        world.turn(CONNECTION_IDLE_S)
        assert not neighbour.ended, f"after {number} periods"


async def test_half_of_a_connection_is_ended_sooner(world: World) -> None:
    stream, neighbour, far = world.stream()
    far.shutdown(socket.SHUT_WR)
    await until(lambda: neighbour.eof)
    world.turn(HALF_CLOSED_IDLE_S)
    assert not stream.ended
    world.turn(HALF_CLOSED_IDLE_S)
    assert stream.ended
    assert neighbour.aborted


# before it is connected


def connecting(world: World) -> tuple[SocketStream, RecordingStream]:
    stream, neighbour = SocketStream(world.poller, world.wheel, world.census, None), RecordingStream()
    stream.peer, neighbour.peer = neighbour, stream
    return stream, neighbour


async def test_what_is_written_while_connecting_is_sent_then(world: World) -> None:
    stream, neighbour = connecting(world)
    stream.write(b"early ")
    stream.write(b"bird")
    assert neighbour.paused
    near, far = world.connected_pair()
    stream.connected(near)
    assert await world.read(far, 10) == b"early bird"
    assert not neighbour.paused
    far.send(b"worm")
    await until(lambda: neighbour.data == b"worm")


async def test_an_end_asked_for_while_connecting_follows_the_data(world: World) -> None:
    stream, neighbour = connecting(world)
    stream.write(b"all")
    stream.write_eof()
    near, far = world.connected_pair()
    stream.connected(near)
    assert await world.read_all(far) == b"all"
    far.send(b"answer")
    await until(lambda: neighbour.data == b"answer")


async def test_a_close_while_connecting_still_delivers(world: World) -> None:
    stream, _neighbour = connecting(world)
    stream.write(b"all")
    stream.close()
    near, far = world.connected_pair()
    stream.connected(near)
    assert await world.read_all(far) == b"all"
    world.turn(LINGER_S + 1)
    assert stream.ended
    assert world.census.count == 0


async def test_a_close_of_nothing_while_connecting_ends_it(world: World) -> None:
    stream, _neighbour = connecting(world)
    stream.close()
    assert stream.ended
    near, far = world.connected_pair()
    stream.connected(near)
    assert await world.read_all(far) == b""
    assert near.fileno() == -1


async def test_a_bug_in_the_neighbour_costs_this_connection_only(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(RecordingStream):
        def write(self, data: object) -> None:
            raise RuntimeError("a bug")

    stream, _, far = world.stream()
    stream.peer = broken = Broken()
    _other, neighbour, other_far = world.stream()
    far.send(b"x")
    await until(lambda: broken.aborted)
    assert "while handing on 1 bytes" in caplog.text
    other_far.send(b"y")
    await until(lambda: neighbour.data == b"y")
