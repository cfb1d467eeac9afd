"""Something is said to a server first; then the two neighbours are joined directly."""

from __future__ import annotations

import pytest

from proxycore.errors import LinkDown, PeerError
from proxycore.net.wheel import Wheel
from proxycore.stream import Buffer
from proxycore.wire.negotiated import Negotiation
from tests.support.streams import RecordingStream


class Codec:
    """Says hi, wants OK."""

    def __init__(self) -> None:
        self.is_done = False
        self.rest = b""

    def hello(self) -> bytes:
        return b"hi"

    def feed(self, data: Buffer) -> bytes:
        if bytes(data[:2]) != b"OK":
            raise PeerError("not agreed")
        self.is_done, self.rest = True, bytes(data[2:])
        return b"thanks"


class Client(RecordingStream):
    connected = 0

    def on_connected(self) -> None:
        self.connected += 1


def begun() -> tuple[RecordingStream, Client, Wheel]:
    lower, stream, wheel = RecordingStream(), Client(), Wheel()
    Negotiation(lower, stream, Codec(), wheel)
    assert lower.take() == b"hi"
    assert stream.peer.is_connecting
    return lower, stream, wheel


def test_what_the_client_said_meanwhile_follows_the_agreement() -> None:
    lower, stream, _ = begun()
    stream.peer.write(b"early")
    assert stream.paused
    stream.peer.write_eof()
    lower.peer.write(b"OKrest")
    assert (lower.take(), lower.eof, stream.take(), stream.connected) == (b"thanksearly", True, b"rest", 1)
    assert (lower.peer, stream.peer) == (stream, lower)
    assert not stream.paused


def test_a_client_that_is_full_stays_so() -> None:
    lower, stream, _ = begun()
    stream.peer.pause()
    lower.peer.write(b"OK")
    assert lower.paused


def test_a_server_that_does_not_agree_ends_both() -> None:
    lower, stream, _ = begun()
    lower.peer.write(b"NO")
    assert lower.aborted
    assert isinstance(stream.error, PeerError)
    assert stream.connected == 0


@pytest.mark.parametrize("end", ["write_eof", "close"])
def test_a_server_that_ends_before_it_agreed_is_a_failure(end: str) -> None:
    lower, stream, _ = begun()
    getattr(lower.peer, end)()
    assert isinstance(stream.error, PeerError)


def test_a_failed_dial_is_handed_on() -> None:
    lower, stream, _ = begun()
    error = LinkDown("no")
    lower.peer.abort(error)
    assert stream.error is error


def test_a_silent_server_is_given_up() -> None:
    lower, stream, wheel = begun()
    for _ in range(61):
        wheel.turn()
    assert lower.aborted
    assert isinstance(stream.error, LinkDown)


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_client_that_leaves_takes_the_server_along(end: str) -> None:
    lower, stream, _ = begun()
    if end == "close":
        stream.peer.close()
    else:
        stream.peer.abort(None)
    assert (lower.closed, lower.aborted) == (end == "close", end == "abort")
    assert not stream.ended
