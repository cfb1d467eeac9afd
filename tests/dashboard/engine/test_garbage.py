from __future__ import annotations

import gc
import threading

from dashboard.engine.garbage import uncollected


@uncollected()
def build() -> bool:
    return gc.isenabled()


def test_nothing_is_collected_inside_and_everything_again_outside() -> None:
    assert not build()
    assert gc.isenabled()
    try:
        with uncollected():
            assert not build()
            assert not gc.isenabled(), "the outer one is not over"
            raise KeyError
    except KeyError:
        assert gc.isenabled()


def test_another_thread_that_ends_first_does_not_end_it_for_all() -> None:
    with uncollected():
        other = threading.Thread(target=build)
        other.start()
        other.join()
        assert not gc.isenabled()
    assert gc.isenabled()
