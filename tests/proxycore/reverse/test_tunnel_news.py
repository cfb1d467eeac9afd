"""What portal and bridge tell of their tunnel: that it came, that it went and why, and whom they refused."""

from __future__ import annotations

import pytest

from proxycore.destination import Destination, Request
from proxycore.messages.events import Event
from proxycore.news import News
from proxycore.reverse.bridge import Bridge
from proxycore.reverse.portal import Portal
from proxycore.reverse.waiting import CARRIER_WAIT_S, MAX_WAITING
from tests.proxycore.reverse.test_tunnel import DOMAIN, PUBLIC, Frames, World
from tests.support.streams import RecordingPackets, RecordingStream


class Watched(World):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.news = News(self.wheel, self.loop.time)
        self.news.listener = self.events.append
        self.portal = Portal("portal", DOMAIN, self.loop, self.wheel, news=self.news)

    def bridge(self) -> Bridge:
        bridge = Bridge("bridge", DOMAIN, self, self.loop, self.wheel, news=self.news)
        bridge.start()
        self.loop.turn()
        return bridge

    def told(self, tag: str) -> list[tuple[str, str]]:
        return [(str(event.kind), event.reason) for event in self.events if event.tag == tag]


@pytest.fixture
def world() -> Watched:
    return Watched()


def test_the_first_carrier_is_told_and_the_end_of_the_last(world: Watched) -> None:
    first, second = Frames(world.portal), Frames(world.portal)
    assert world.told("portal") == [("tunnel_up", "")]
    assert world.events[0].source == "203.0.113.9"
    first.peer.write_eof()
    assert len(world.events) == 1
    world.loop.advance(30)
    second.peer.write_eof()
    assert world.told("portal")[1:] == [("tunnel_down", "the other side closed the carrier")]
    assert world.events[1].seconds == 30
    assert world.portal.last_error == "the other side closed the carrier"
    Frames(world.portal)
    assert world.told("portal")[2:] == [("tunnel_up", "")]


def test_what_another_document_takes_the_place_of_is_down(world: Watched) -> None:
    """Its carriers go on for what they have: whoever comes now finds none until there is a new one."""
    world.portal.retire()
    assert world.told("portal") == []
    world.portal = Portal("portal", DOMAIN, world.loop, world.wheel, news=world.news)
    bridge = world.bridge()
    world.portal.retire()
    assert world.told("portal") == [("tunnel_up", ""), ("tunnel_down", "replaced")]
    bridge.retire()
    assert world.told("bridge") == [("tunnel_up", ""), ("tunnel_down", "replaced")]
    other = Bridge("bridge", DOMAIN, world, world.loop, world.wheel, news=world.news)
    other.retire()
    world.loop.advance(60)
    assert len(world.told("portal")) == len(world.told("bridge")) == 2


def test_a_bridge_tells_once_whatever_it_takes_to_come_back(world: Watched) -> None:
    bridge = world.bridge()
    assert world.told("bridge") == [("tunnel_up", "")]
    world.is_reachable = False
    world.pipes[-1].cut()
    world.loop.advance(20)
    assert world.told("bridge")[1:] == [("tunnel_down", "reset")]
    assert bridge.failures > 2
    assert bridge.last_error == "refused"
    assert bridge.retry_at is not None
    assert bridge.retry_at > world.loop.time()
    world.is_reachable = True
    world.loop.advance(10)
    assert world.told("bridge")[2:] == [("tunnel_up", "")]
    assert (bridge.failures, bridge.retry_at) == (0, None)


def test_stopping_is_no_news(world: Watched) -> None:
    bridge = world.bridge()
    bridge.stop()
    assert world.told("bridge") == [("tunnel_up", "")]
    Frames(world.portal)
    before = len(world.events)
    world.portal.stop()
    assert len(world.events) == before


def test_a_carrier_for_another_domain_is_refused_and_never_goes_through_the_tunnel(world: Watched) -> None:
    far = Frames(world.portal)
    world.loop.turn()
    frames = len(far.frames)
    stranger = RecordingStream()
    world.portal.open(Request(Destination("tcp", "other.example", 0), "interconn", ("198.51.100.9", 7)), stranger)
    world.loop.turn()
    assert stranger.aborted
    assert len(far.frames) == frames
    refused = world.events[-1]
    assert (refused.reason, refused.source) == ("wrong_domain", "198.51.100.9")
    assert "other.example" in refused.text


def test_who_waits_in_vain_is_counted_and_who_leaves_is_not(world: Watched) -> None:
    leaver, waiter = world.client(), world.client()
    assert world.portal.waiting == 2
    leaver.peer.close()
    world.loop.advance(CARRIER_WAIT_S + 1)
    assert waiter.aborted
    assert world.news.refusals == {"no_carrier": 1}
    world.portal.open_packets(PUBLIC, RecordingPackets())
    assert world.news.refusals == {"no_carrier": 2}


def test_more_than_may_wait_are_counted_as_a_bound(world: Watched) -> None:
    for _ in range(MAX_WAITING + 3):
        world.client()
    assert world.news.refusals == {"limit": 3}


def test_a_session_remembers_what_it_was_opened_for(world: Watched) -> None:
    world.bridge()
    world.loop.advance(5)
    client = world.client()
    client.peer.write(b"x")
    world.loop.turn()
    (mine,) = (one for one in world.portal.links[0].carrier.sessions.values() if one.request is not None)
    assert mine.request is PUBLIC
    assert mine.begun_at == world.loop.time()
