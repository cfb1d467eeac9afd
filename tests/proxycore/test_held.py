"""What stands in for an outbound: everything that the client does meanwhile counts afterwards."""

from __future__ import annotations

from proxycore.destination import Destination
from proxycore.errors import LinkDown
from proxycore.held import HeldPackets, HeldStream
from proxycore.net.datagram_queue import MAX_DATAGRAMS
from proxycore.stream import PacketStream, Stream
from tests.support.streams import RecordingPackets, RecordingStream

OTHER = Destination("udp", "b.example", 53)


class Held(HeldStream):
    def __init__(self, client: Stream) -> None:
        super().__init__(client)
        self.told: list[str] = []

    def on_kept(self) -> None:
        self.told.append("kept")

    def on_complete(self) -> None:
        self.told.append("complete")

    def on_left(self) -> None:
        self.told.append("left")


class Packets(HeldPackets):
    def on_kept(self) -> None:
        pass

    def on_left(self) -> None:
        pass


class Far(RecordingStream):
    """An outbound that is joined to whoever is dispatched."""

    def join(self, client: Stream) -> None:
        self.peer, client.peer = client, self


def held() -> tuple[RecordingStream, Held, Far]:
    client = RecordingStream()
    return client, Held(client), Far()


def test_what_was_kept_goes_first_and_then_the_two_are_neighbours() -> None:
    client, one, far = held()
    client.peer.write(b"a")
    client.peer.write(b"b")
    one.release(far.join)
    client.peer.write(b"c")
    assert far.writes == [b"ab", b"c"]
    assert (client.peer, far.peer) == (far, client)
    assert one.told == ["kept", "kept"]


def test_a_half_close_and_a_pause_are_told_to_who_follows() -> None:
    client, one, far = held()
    client.peer.write(b"a")
    client.peer.pause()
    client.peer.write_eof()
    assert one.told == ["kept", "complete"]
    one.release(far.join)
    assert (far.take(), far.eof, far.paused, far.closed) == (b"a", True, True, False)


def test_a_pause_that_is_over_is_not_told() -> None:
    client, one, far = held()
    client.peer.pause()
    client.peer.resume()
    one.release(far.join)
    assert not far.paused


def test_a_client_that_closes_still_has_sent_what_it_sent() -> None:
    client, one, far = held()
    client.peer.write(b"a")
    client.peer.close()
    client.peer.close()
    assert one.told == ["kept", "complete"]
    one.release(far.join)
    assert (far.take(), far.closed) == (b"a", True)
    assert far.peer is not client


def test_a_client_that_closes_without_a_byte_is_forgotten() -> None:
    client, one, _ = held()
    client.peer.close()
    assert (one.told, one.is_over) == (["left"], True)


def test_a_client_that_breaks_off_is_forgotten_with_what_it_sent() -> None:
    client, one, _ = held()
    client.peer.write(b"a")
    client.peer.abort(None)
    assert (one.told, one.kept) == (["kept", "left"], b"")


def test_who_still_holds_it_reaches_the_follower() -> None:
    _, one, far = held()
    one.release(far.join)
    one.write(b"late")
    one.pause()
    one.write_eof()
    one.close()
    assert (far.take(), far.paused, far.eof, far.closed) == (b"late", True, True, True)


def test_where_routing_fails_nothing_is_handed_on() -> None:
    client, one, _ = held()
    client.peer.write(b"a")
    one.release(lambda stream: stream.abort(LinkDown("no outbound")))
    one.write(b"late")
    assert client.aborted
    assert not client.data


def test_datagrams_are_kept_with_their_addresses() -> None:
    client, far = RecordingPackets(), RecordingPackets()
    one = Packets(client)
    client.peer.write_packet(b"a", None)
    client.peer.write_packet(b"b", OTHER)

    def join(packets: PacketStream) -> None:
        far.peer, packets.peer = packets, far

    one.release(join)
    one.write_packet(b"late", None)
    assert far.packets == [(b"a", None), (b"b", OTHER), (b"late", None)]


def test_only_so_many_datagrams_are_kept() -> None:
    client = RecordingPackets()
    one = Packets(client)
    for _ in range(MAX_DATAGRAMS + 5):
        client.peer.write_packet(b"a", None)
    assert len(one.kept) == MAX_DATAGRAMS


def test_a_flow_that_ends_is_forgotten() -> None:
    client = RecordingPackets()
    one = Packets(client)
    client.peer.write_packet(b"a", None)
    client.peer.close()
    assert (one.is_over, len(one.kept)) == (True, 0)
