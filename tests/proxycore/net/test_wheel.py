"""Deadlines in steps of a second."""

from __future__ import annotations

import pytest

from proxycore.net.wheel import Wheel


class Object:
    def __init__(self, *periods_s: float) -> None:
        self.wheel_slot = -1
        self.calls = 0
        self._periods_s = list(periods_s)

    def on_watch(self) -> float | None:
        self.calls += 1
        return self._periods_s.pop(0) if self._periods_s else None


def steps_until_called(wheel: Wheel, obj: Object, most: int = 200_000) -> int:
    calls = obj.calls
    for step in range(1, most + 1):
        wheel.turn()
        if obj.calls != calls:
            return step
    return -1


@pytest.mark.parametrize("period_s", [1, 5, 300, 1023, 1024, 1025, 2046, 2047, 5000, 24 * 3600])
def test_a_period_of_any_length_is_waited_for_whole(period_s: int) -> None:
    wheel, obj = Wheel(), Object()
    wheel.watch(obj, float(period_s))
    assert steps_until_called(wheel, obj) == period_s


def test_the_next_period_begins_when_the_last_was_over() -> None:
    wheel, obj = Wheel(), Object(2000.0, 3.0)
    wheel.watch(obj, 2.0)
    assert [steps_until_called(wheel, obj) for _ in range(3)] == [2, 2000, 3]
    assert steps_until_called(wheel, obj, 3000) == -1


def test_who_is_watched_again_has_the_new_period_only() -> None:
    wheel, obj = Wheel(), Object()
    wheel.watch(obj, 5000.0)
    wheel.watch(obj, 2.0)
    assert steps_until_called(wheel, obj) == 2
    assert steps_until_called(wheel, obj, 6000) == -1


def test_who_is_forgotten_is_not_called_and_may_be_watched_again() -> None:
    wheel, obj = Wheel(), Object()
    wheel.watch(obj, 5000.0)
    wheel.forget(obj)
    wheel.forget(obj)
    assert steps_until_called(wheel, obj, 6000) == -1
    wheel.watch(obj, 3.0)
    assert steps_until_called(wheel, obj) == 3


def test_who_is_forgotten_by_another_in_the_same_step_is_not_called() -> None:
    wheel, second = Wheel(), Object()

    class First(Object):
        def on_watch(self) -> float | None:
            wheel.forget(second)
            return super().on_watch()

    first = First()
    wheel.watch(first, 1.0)
    wheel.watch(second, 1.0)
    wheel.turn()
    assert (first.calls, second.calls) == (1, 0)


def test_one_who_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Object):
        def on_watch(self) -> float | None:
            raise ZeroDivisionError

    wheel, obj = Wheel(), Object()
    wheel.watch(Broken(), 1.0)
    wheel.watch(obj, 1.0)
    wheel.turn()
    assert obj.calls == 1
    assert "on_watch of Broken" in caplog.text
