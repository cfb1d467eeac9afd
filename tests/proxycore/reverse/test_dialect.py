"""Finding out which name a bridge knows."""

from __future__ import annotations

import pytest

from proxycore.reverse.dialect import DIALECTS, MAX_REMEMBERED, V2FLY, V2RAY, XRAY_25_9, DialectMemory, is_control


@pytest.mark.parametrize("name", [*DIALECTS, "REVERSE", "Reverse.Internal.V2Fly.Org"])
def test_every_name_is_a_control_session_in_any_case(name: str) -> None:
    assert is_control(name)


@pytest.mark.parametrize("name", ["reverse.internal", "example.org", "", None, "reverse.internal.v2ray.com."])
def test_no_other_name_is(name: object) -> None:
    assert not is_control(name)


def test_the_first_guess_is_the_newest_and_a_wrong_one_leads_to_the_next() -> None:
    memory = DialectMemory()
    assert memory.first_guess("a") == XRAY_25_9
    assert memory.wrong("a", XRAY_25_9) == V2FLY
    assert memory.wrong("a", V2FLY) == V2RAY
    assert memory.first_guess("a") == V2RAY
    assert memory.first_guess("b") == XRAY_25_9


def test_after_the_last_comes_the_first_again() -> None:
    assert DialectMemory().wrong("a", DIALECTS[-1]) == DIALECTS[0]


def test_a_dialect_that_was_understood_is_not_given_up_for_a_lost_carrier() -> None:
    memory = DialectMemory()
    memory.right("a", V2FLY)
    assert memory.suspect("a", V2FLY) == V2FLY
    assert memory.suspect("b", V2FLY) == V2RAY


def test_what_was_understood_is_doubted_at_the_second_time() -> None:
    memory = DialectMemory()
    memory.right("a", V2FLY)
    assert [memory.suspect("a", V2FLY), memory.suspect("a", V2FLY)] == [V2FLY, V2RAY]


def test_a_carrier_lost_for_want_of_a_heartbeat_had_a_bridge_that_speaks_the_newest() -> None:
    memory = DialectMemory()
    assert memory.lost("a", XRAY_25_9) == XRAY_25_9
    assert memory.lost("a", V2RAY) == XRAY_25_9
    memory.right("b", V2FLY)                # an older bridge, which was replaced by a new one
    assert [memory.lost("b", V2FLY), memory.lost("b", V2FLY)] == [V2FLY, XRAY_25_9]
    assert memory.first_guess("b") == XRAY_25_9


def test_a_fixed_dialect_stays() -> None:
    memory = DialectMemory(V2RAY)
    assert memory.wrong("a", V2RAY) == V2RAY
    assert memory.lost("a", V2RAY) == V2RAY
    memory.right("a", XRAY_25_9)
    assert memory.first_guess("a") == V2RAY


def test_the_memory_is_bounded() -> None:
    memory = DialectMemory()
    for number in range(MAX_REMEMBERED + 10):
        memory.right(str(number), V2FLY)
    assert len(memory._last) == MAX_REMEMBERED
    assert memory.first_guess(str(MAX_REMEMBERED + 9)) == V2FLY
