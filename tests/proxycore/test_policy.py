"""Levels: what a document gives, what it leaves to the defaults, and that those who hold a level see it change."""

from __future__ import annotations

from proxycore.mux.session import SESSION_BUFFER_BYTES
from proxycore.net.limits import CONNECTION_IDLE_S, FLOW_IDLE_S, HALF_CLOSED_IDLE_S
from proxycore.net.wheel import STEP_S
from proxycore.policy import HANDSHAKE_S, LEVEL_1_IDLE_S, MAX_BUFFER_BYTES, Level, LevelValues, Policy, PolicyValues


def level(**values: int) -> Level:
    return Policy(PolicyValues({3: LevelValues(**values)})).level(3)


def test_without_a_section_level_1_may_be_silent_twice_as_long() -> None:
    policy = Policy()
    assert policy.level(0).client.idle_s == CONNECTION_IDLE_S
    assert policy.level(1).client.idle_s == LEVEL_1_IDLE_S
    assert policy.level(0).handshake_s == HANDSHAKE_S
    assert Policy(PolicyValues()).level(1).client.idle_s == CONNECTION_IDLE_S


def test_what_is_not_given_keeps_its_default() -> None:
    one = level(handshake_s=4)
    assert one.handshake_s == 4 + STEP_S
    assert (one.client.idle_s, one.client.after_eof_in_s, one.client.flow_idle_s, one.buffer_bytes) == (
        CONNECTION_IDLE_S, HALF_CLOSED_IDLE_S, FLOW_IDLE_S, SESSION_BUFFER_BYTES)


def test_a_silence_that_is_allowed_is_allowed_whole() -> None:
    one = level(conn_idle_s=10)
    assert one.client.idle_s == one.target.idle_s == 10 + STEP_S
    assert one.client.flow_idle_s == one.target.flow_idle_s == 10 + STEP_S


def test_each_end_has_the_limit_of_the_direction_that_is_left() -> None:
    one = level(uplink_only_s=2, downlink_only_s=5)
    assert (one.client.after_eof_in_s, one.client.after_eof_out_s) == (5, 2)       # the client has finished; the target has
    assert (one.target.after_eof_in_s, one.target.after_eof_out_s) == (2, 5)


def test_a_buffer_is_in_kib_and_an_unlimited_one_has_a_limit() -> None:
    assert level(buffer_kib=4).buffer_bytes == 4096
    assert level(buffer_kib=0).buffer_bytes == 0
    assert level(buffer_kib=-1).buffer_bytes == MAX_BUFFER_BYTES
    assert level(buffer_kib=1 << 30).buffer_bytes == MAX_BUFFER_BYTES


def test_who_holds_a_level_sees_another_document_change_it() -> None:
    policy = Policy()
    held = policy.level(0)
    limits = held.client
    policy.apply(PolicyValues({0: LevelValues(conn_idle_s=7)}))
    assert policy.level(0) is held
    assert limits.idle_s == 7 + STEP_S
    policy.apply(None)
    assert limits.idle_s == CONNECTION_IDLE_S
