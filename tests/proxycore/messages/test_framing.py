from __future__ import annotations

import struct

import pytest

from proxycore.errors import LimitError
from proxycore.messages.framing import MAX_FRAME_BYTES, FrameReader, encode
from proxycore.messages.worker import Ask, Stop, to_worker

MESSAGES = [Stop(drain_s=1.5), Ask(id=7, what="sessions", arguments={"tunnel": "p\u00fc"}), Stop()]
STREAM = b"".join(encode(message) for message in MESSAGES)


@pytest.mark.parametrize("step", [1, 7, 4096], ids=["byte by byte", "odd cuts", "one read"])
def test_messages_are_the_same_however_the_stream_is_cut(step: int) -> None:
    reader, found = FrameReader(), []
    for start in range(0, len(STREAM), step):
        found += [to_worker.validate_json(frame) for frame in reader.feed(STREAM[start : start + step])]
    assert found == MESSAGES


def test_half_a_message_is_none() -> None:
    for cut in range(len(STREAM) - len(encode(Stop())) + 1, len(STREAM)):
        assert len(list(FrameReader().feed(STREAM[:cut]))) == 2


def test_a_message_that_is_too_long_is_refused_by_its_length() -> None:
    with pytest.raises(LimitError):
        list(FrameReader().feed(struct.pack(">I", MAX_FRAME_BYTES + 1)))
