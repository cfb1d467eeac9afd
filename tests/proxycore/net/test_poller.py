"""Readiness of real sockets, and what is put off to the end of a turn."""

from __future__ import annotations

import socket

import pytest

from proxycore.net.poller import READABLE, WRITABLE
from tests.support.sockets import World, turns, until


class Handler:
    def __init__(self) -> None:
        self.events: list[int] = []

    def on_events(self, events: int) -> None:
        self.events.append(events)


async def test_a_handler_is_told_what_it_asked_for_and_no_more_when_it_asks_for_nothing(world: World) -> None:
    near, far = world.connected_pair()
    handler = Handler()
    world.poller.set_interest(near.fileno(), 0, READABLE, handler)
    await turns()
    assert handler.events == []
    far.send(b"x")
    await until(lambda: handler.events)
    assert handler.events[0] == READABLE
    world.poller.set_interest(near.fileno(), READABLE, READABLE | WRITABLE, handler)
    await until(lambda: handler.events[-1] == READABLE | WRITABLE)
    world.poller.set_interest(near.fileno(), READABLE | WRITABLE, 0, handler)
    count = len(handler.events)
    await turns()
    assert len(handler.events) == count


async def test_a_number_that_is_used_again_belongs_to_the_new_socket(world: World) -> None:
    near, _far = world.connected_pair()
    first, second = Handler(), Handler()
    fd = near.fileno()
    world.poller.set_interest(fd, 0, READABLE, first)
    world.poller.forget(fd)
    near.close()
    other, other_far = world.connected_pair()
    world.poller.set_interest(other.fileno(), 0, READABLE, second)
    other_far.send(b"x")
    await until(lambda: second.events)
    assert first.events == []
    world.poller.set_interest(other.fileno(), READABLE, 0, second)


async def test_what_a_handler_puts_off_runs_in_the_same_turn_after_all_handlers(world: World) -> None:
    order: list[str] = []

    class Deferring:
        def __init__(self, name: str, sock: socket.socket) -> None:
            self.name, self.sock = name, sock

        def on_events(self, events: int) -> None:
            order.append(self.name)
            world.poller.set_interest(self.sock.fileno(), READABLE, 0, self)
            world.poller.call_soon(order.append, f"after {self.name}")

    pairs = [world.connected_pair() for _ in range(2)]
    for _, far in pairs:
        far.send(b"x")
    for name, (near, _) in zip(("one", "two"), pairs, strict=True):
        world.poller.set_interest(near.fileno(), 0, READABLE, Deferring(name, near))
    await until(lambda: len(order) == 4)
    assert sorted(order[:2]) == ["one", "two"]
    assert sorted(order[2:]) == ["after one", "after two"]


async def test_a_call_from_outside_a_turn_runs_soon(world: World) -> None:
    called: list[int] = []
    world.poller.call_soon(called.append, 1)
    assert called == []
    await until(lambda: called == [1])


async def test_what_defers_itself_for_ever_does_not_keep_sockets_waiting(world: World) -> None:
    count = [0]
    over = [False]

    def again() -> None:
        count[0] += 1
        if not over[0]:
            world.poller.call_soon(again)

    class Deferring(Handler):
        def on_events(self, events: int) -> None:
            super().on_events(events)
            if len(self.events) == 1:
                world.poller.call_soon(again)

    near, far = world.connected_pair()
    handler = Deferring()
    world.poller.set_interest(near.fileno(), 0, READABLE, handler)
    far.send(b"x")
    await until(lambda: count[0] > 100 and len(handler.events) > 3)
    over[0] = True
    world.poller.set_interest(near.fileno(), READABLE, 0, handler)
    await turns()


async def test_a_bug_in_one_handler_leaves_the_others_their_turn(world: World, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Handler):
        def on_events(self, events: int) -> None:
            super().on_events(events)
            raise RuntimeError("a bug")

    broken, sound = Broken(), Handler()
    pairs = [world.connected_pair() for _ in range(2)]
    for handler, (near, far) in zip((broken, sound), pairs, strict=True):
        world.poller.set_interest(near.fileno(), 0, READABLE, handler)
        far.send(b"x")
    await until(lambda: broken.events and sound.events)
    assert "on_events of Broken" in caplog.text
    for handler, (near, _) in zip((broken, sound), pairs, strict=True):
        world.poller.set_interest(near.fileno(), READABLE, 0, handler)


async def test_a_closed_poller_takes_no_interest_and_does_not_mind(world: World) -> None:
    near, _ = world.connected_pair()
    world.poller.close()
    world.poller.close()
    world.poller.set_interest(near.fileno(), 0, READABLE, Handler())
