"""A client that is answered once its outbound has connected."""

from __future__ import annotations

import pytest

from proxycore.errors import DialError
from proxycore.stream import NULL_STREAM
from proxycore.wire.answered import AnsweredStream
from tests.support.streams import RecordingStream


class Connecting(RecordingStream):
    """An outbound's stream that will tell."""

    is_connecting = True    # type: ignore[assignment]


def refusal(error: Exception | None) -> bytes:
    return b"no:" + type(error).__name__.encode()


def joined(out: RecordingStream) -> tuple[RecordingStream, AnsweredStream]:
    client = RecordingStream()
    answered = AnsweredStream(client, b"yes", refusal)
    out.peer, answered.peer = answered, out
    answered.settle()
    return client, answered


def test_success_is_told_when_the_outbound_has_connected_and_then_both_are_joined_directly() -> None:
    out = Connecting()
    client, _ = joined(out)
    client.peer.write(b"early")
    assert (client.take(), out.take()) == (b"", b"early")
    out.peer.on_connected()
    assert client.take() == b"yes"
    assert client.peer is out
    assert out.peer is client


def test_an_outbound_that_cannot_tell_counts_as_connected() -> None:
    out = RecordingStream()
    client, _ = joined(out)
    assert client.take() == b"yes"
    assert (client.peer, out.peer) == (out, client)


def test_a_failure_is_told_and_the_client_closed() -> None:
    out = Connecting()
    client, answered = joined(out)
    out.peer.abort(DialError("x", "y"))
    assert (client.take(), client.closed, client.aborted) == (b"no:DialError", True, False)
    answered.on_connected()
    assert client.take() == b""


def test_an_end_in_order_before_success_is_a_refusal_too() -> None:
    out = Connecting()
    client, _ = joined(out)
    out.peer.close()
    assert (client.take(), client.closed) == (b"no:NoneType", True)


def test_data_of_the_outbound_is_success() -> None:
    out = Connecting()
    client, _ = joined(out)
    out.peer.write(b"hello")
    assert client.take() == b"yeshello"


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_client_that_leaves_before_takes_the_outbound_along(end: str) -> None:
    out = Connecting()
    client, answered = joined(out)
    if end == "close":
        client.peer.close()
    else:
        client.peer.abort(None)
    assert (out.closed, out.aborted) == (end == "close", end == "abort")
    answered.on_connected()
    answered.abort(None)
    assert client.take() == b""
    assert not client.ended


def test_back_pressure_passes_before_success() -> None:
    out = Connecting()
    client, _ = joined(out)
    out.peer.pause()
    client.peer.pause()
    assert client.paused
    assert out.paused
    out.peer.resume()
    client.peer.resume()
    assert not client.paused
    assert not out.paused


def test_an_outbound_that_answers_within_the_dispatch_is_handed_on() -> None:
    client = RecordingStream()
    answered = AnsweredStream(client, b"yes", refusal)
    answered.peer = NULL_STREAM
    answered.write(b"403")
    answered.close()
    answered.settle()
    assert (client.take(), client.closed) == (b"yes403", True)
