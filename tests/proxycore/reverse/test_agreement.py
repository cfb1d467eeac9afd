"""How a portal and a bridge agree on the extension, and what follows; a bridge of another core is played in frames."""

from __future__ import annotations

import pytest

from proxycore.destination import Destination, Request
from proxycore.mux.codec import END, KEEP, NEW, encode_end, encode_new, encode_packet
from proxycore.mux.codec_extension import OPTION_CREDITED, PING, encode_forget, encode_ping
from proxycore.mux.extension import INITIAL_WINDOW_BYTES, MAX_PACKET_BYTES
from proxycore.net.wheel import Wheel
from proxycore.reverse import control
from proxycore.reverse.bridge import Bridge
from proxycore.reverse.extension_codec import VERSION, Extension, decode_extension, encode_extension
from tests.proxycore.reverse.test_bridge import WEB
from tests.proxycore.reverse.test_bridge import World as Private
from tests.proxycore.reverse.test_tunnel import DOMAIN, PUBLIC, Frames, World
from tests.support.streams import RecordingStream


@pytest.fixture
def world() -> World:
    return World()


def offer_to(bridge: Frames) -> Extension:
    """What the portal offered first."""
    [offer, *_] = [found for _, _, _, data in bridge.frames if data and (found := decode_extension(data)) is not None]
    return offer


def answer(offer: Extension) -> bytes:
    extension = encode_extension(offer._replace(is_answer=True))
    return encode_packet(1, control.encode_control(control.ACTIVE, b"x", extension), None)


def test_a_portal_and_a_bridge_of_ours_agree_by_themselves(world: World) -> None:
    bridge = world.bridge()
    [link], [far] = world.portal.links, bridge.links
    assert link.has_extension
    assert far.has_extension
    assert far.carrier.extension is not None
    assert far.carrier.extension.can_send           # the portal has pinged
    assert link.rtt_s == 0.0
    assert link.carrier.max_packet_bytes == far.carrier.max_packet_bytes == MAX_PACKET_BYTES
    assert len(bridge.active) == 1


def test_the_offer_is_repeated_until_it_is_answered_and_no_longer(world: World) -> None:
    bridge = Frames(world.portal)
    world.loop.advance(21)
    offers = [decode_extension(data) for _, _, _, data in bridge.frames if data]
    assert len(offers) == 3
    assert len(set(offers)) == 1
    bridge.peer.write(answer(offer_to(bridge)))
    bridge.frames.clear()
    world.loop.advance(21)
    assert [decode_extension(data) for number, _, _, data in bridge.frames if number == 1 and data] == [None, None]


def test_nothing_of_the_extension_is_sent_before_the_answer(world: World) -> None:
    bridge = Frames(world.portal)
    world.client()
    world.loop.advance(20)
    assert bridge.statuses <= {NEW, KEEP, END}
    bridge.peer.write(answer(offer_to(bridge)))
    world.loop.turn()
    assert PING in bridge.statuses


@pytest.mark.parametrize("wrong", [
    lambda offer: offer,
    lambda offer: offer._replace(is_answer=True, nonce=offer.nonce ^ 1),
    lambda offer: offer._replace(is_answer=True, version=VERSION + 1),
    lambda offer: offer._replace(is_answer=True, window=1),
], ids=["an echo", "another nonce", "a version that was not offered", "a window that cannot be"])
def test_what_is_no_answer_says_that_the_session_was_not_understood(world: World, wrong: object) -> None:
    bridge = Frames(world.portal)
    world.loop.turn()
    extension = encode_extension(wrong(offer_to(bridge)))       # type: ignore[operator]
    bridge.peer.write(encode_packet(1, control.encode_control(control.ACTIVE, b"x", extension), None))
    world.loop.turn()
    assert not world.portal.links[0].has_extension
    assert len(bridge.control_names()) == 2


def test_a_bridge_that_answered_is_not_suspected_when_its_control_session_ends(world: World) -> None:
    bridge = Frames(world.portal)
    world.loop.turn()
    bridge.peer.write(answer(offer_to(bridge)) + encode_end(1))
    world.loop.turn()
    assert len(bridge.control_names()) == 1


def test_sessions_have_credit_from_the_answer_on_and_their_new_says_who_comes(world: World) -> None:
    bridge = Frames(world.portal)
    request = PUBLIC._replace(local=("192.0.2.1", 443))
    before, after = RecordingStream(), RecordingStream()
    world.portal.open(request, before)
    world.loop.turn()
    bridge.peer.write(answer(offer_to(bridge)))
    world.portal.open(request, after)
    world.loop.turn()
    sessions = [session for session in world.portal.links[0].carrier.sessions.values() if not session.is_packet]
    assert [session.window for session in sessions] == [0, INITIAL_WINDOW_BYTES]
    assert bridge.options[2] & OPTION_CREDITED == 0
    assert bridge.options[3] & OPTION_CREDITED
    extras = {number: extra for number, status, extra, _ in bridge.frames if status == NEW}
    assert extras[3].removeprefix(extras[2]) == bytes.fromhex("01 1388 01 c6336407  01 01bb 01 c0000201")


def test_the_bridge_routes_by_who_comes(world: World) -> None:
    world.bridge()
    stream = RecordingStream()
    world.portal.open(PUBLIC._replace(local=("192.0.2.1", 443)), stream)
    world.loop.turn()
    assert (world.requests[-1].source, world.requests[-1].local) == (("198.51.100.7", 5000), ("192.0.2.1", 443))


def private_with_offer(version: int = VERSION) -> tuple[Private, bytes]:
    """A bridge whose portal, which the test plays, makes an offer; and what the bridge says to that."""
    private = Private()
    offer = encode_extension(Extension(version, 7, 65536, is_answer=False))
    said = private.dispatcher.streams[0]
    first = encode_new(1, Destination("udp", "reverse", 0), control.encode_control(control.ACTIVE, b"x", offer))
    private.bridge.links[0].carrier.write(first)
    private.loop.turn()
    return private, said.take()


@pytest.mark.parametrize("version", [VERSION, VERSION + 5], ids=["the same version", "a later one"])
def test_a_bridge_answers_an_offer_with_what_it_speaks(version: int) -> None:
    _, said = private_with_offer(version)
    assert said[:6] == bytes.fromhex("0004 0001 02 01")
    assert decode_extension(said[8:]) == Extension(VERSION, 7, INITIAL_WINDOW_BYTES, is_answer=True)


def test_it_answers_once_and_says_nothing_else_before_it_is_spoken_to() -> None:
    private, _ = private_with_offer()
    carrier = private.bridge.links[0].carrier
    said = private.dispatcher.streams[0]
    again = encode_extension(Extension(VERSION, 7, 65536, is_answer=False))
    carrier.write(encode_packet(1, control.encode_control(control.ACTIVE, b"x", again), None))
    private.loop.turn()
    assert said.take() == b""
    assert carrier.extension is not None
    assert not carrier.extension.can_send
    carrier.write(encode_ping(5))
    assert carrier.extension.can_send


def test_a_bridge_says_which_carriers_it_has_lost_as_soon_as_it_can(world: World) -> None:
    bridge = world.bridge()
    world.loop.advance(3)
    lost = world.portal.links[0]
    world.pipes[0].other.peer = RecordingStream()       # what the portal is told about its end gets lost
    world.pipes[0].peer.abort(None)
    world.loop.turn()
    world.loop.advance(1)
    assert len(bridge.links) == 1
    assert [link.carrier.ended for link in (lost, *world.portal.links)] == [True, False]
    assert str(lost.carrier.error) == "the bridge has lost it"


def test_a_bridge_cannot_end_carriers_of_another_credential(world: World) -> None:
    home, office = Frames(world.portal, user="home"), Frames(world.portal, user="office")
    world.loop.turn()
    home.peer.write(answer(offer_to(home)))
    home.peer.write(encode_forget(offer_to(office).nonce))
    world.loop.turn()
    assert len(world.portal.links) == 2
    home.peer.write(encode_forget(offer_to(home).nonce))            # nor the one that it speaks on
    assert len(world.portal.links) == 2


def test_bridges_of_other_cores_are_served_as_ever(world: World) -> None:
    bridge = Frames(world.portal)
    client = world.client()
    world.loop.turn()
    bridge.peer.write(encode_packet(2, b"answer", None) + encode_end(2))
    assert (client.data, client.closed) == (b"answer", True)


def test_a_bridge_serves_portals_of_other_cores_as_ever() -> None:
    private = Private()
    carrier = private.bridge.links[0].carrier
    plain = encode_new(1, Destination("udp", "reverse", 0), control.encode_control(control.ACTIVE, b"x"))
    carrier.write(plain + encode_new(2, WEB, options=OPTION_CREDITED))       # a bit that means nothing without an agreement
    private.loop.turn()
    target = private.dispatcher.streams[-1]
    target.peer.write(bytes(4 * INITIAL_WINDOW_BYTES))
    private.loop.turn()
    assert carrier.sent >= 4 * INITIAL_WINDOW_BYTES
    assert carrier.extension is None


def test_a_bridge_of_ours_behind_vless_agrees_too() -> None:
    wheel = Wheel()
    world = World()
    bridge = Bridge("tunnel", DOMAIN, world, world.loop, wheel, open_carrier=lambda stream: world.dispatch(
        Request(Destination("tcp", DOMAIN, 0), "x"), stream))
    bridge.start()
    world.loop.turn()
    assert bridge.links[0].has_extension
