from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxycore.agent import spool as module
from proxycore.agent.counters import Counts
from proxycore.agent.outbox import Outbox
from proxycore.agent.spool import Spool
from proxycore.messages.link import Moved, Traffic


def moved(up: int, name: str = "out") -> list[Moved]:
    return [Moved(instance=1, kind="outbound", name=name, up=up, down=0)]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "traffic.sqlite3", "first")
    yield spool
    spool.close()


def total(spool: Spool) -> int:
    """Bytes of all buckets, each of which is taken out."""
    found = 0
    while waiting := spool.waiting():
        for traffic in waiting:
            found += sum(one.up for one in traffic.moved)
            spool.kept(traffic.boot, traffic.seq)
    return found


def test_a_bucket_waits_until_it_is_kept(spool: Spool) -> None:
    spool.add(100, moved(5), {})
    spool.add(110, moved(6), {})
    first, second = spool.waiting()
    assert (first.boot, first.seq, first.at, first.moved) == ("first", 1, 100, moved(5))
    assert spool.waiting(count=1) == [first]
    spool.kept("first", 1)
    spool.kept("first", 99)
    assert spool.waiting() == [second]


def test_one_bucket_after_the_other_is_sent_as_each_is_kept(spool: Spool) -> None:
    outbox = Outbox(dict, spool.waiting, state_in_s=lambda: 1000)
    outbox.connected()
    sent = []
    for number in range(5):
        spool.add(number * 10, moved(number), {})
        for message in outbox.next():
            if isinstance(message, Traffic):
                sent.append(message.at)
                spool.kept(message.boot, message.seq)
                outbox.traffic_kept(message.boot, message.seq)
    assert sent == [0, 10, 20, 30, 40]


def test_the_next_agent_sends_what_the_one_before_left(spool: Spool, tmp_path: Path) -> None:
    spool.add(100, moved(5), {1: ((77, 1.5), {("outbounds", "out"): Counts(5, 0, 0)})})
    spool.close()
    again = Spool(tmp_path / "traffic.sqlite3", "second")
    again.add(110, moved(6), {})
    assert [(traffic.boot, traffic.seq) for traffic in again.waiting()] == [("first", 1), ("second", 1)]
    assert again.seen_of(1, (77, 1.5)) == {("outbounds", "out"): Counts(5, 0, 0)}
    assert again.seen_of(1, (77, 2.5)) is None
    assert again.seen_of(2, (77, 1.5)) is None
    again.close()


def test_what_was_seen_goes_with_its_place_its_worker_or_its_instance(spool: Spool) -> None:
    place, other = ("users", "a@b"), ("users", "c@d")
    spool.add(100, [], {1: ((7, 1.0), {place: Counts(1, 2, 3), other: Counts(4, 5, 6)})})
    spool.add(110, [], {1: ((7, 1.0), {place: None})})
    assert spool.seen_of(1, (7, 1.0)) == {other: Counts(4, 5, 6)}
    spool.add(120, [], {1: ((8, 2.0), {other: None})})
    assert spool.seen_of(1, (7, 1.0)) is None
    assert spool.seen_of(1, (8, 2.0)) == {}
    spool.forget(1)
    assert spool.seen_of(1, (8, 2.0)) is None


def test_too_many_buckets_are_put_together_by_the_hour_and_no_byte_is_lost(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "traffic.sqlite3", "first", max_buckets=10)
    for number in range(1000):
        spool.add(number * 10, moved(number, f"out{number % 3}"), {})
    count, _ = spool.size
    assert count <= 10
    ats = [traffic.at for traffic in spool.waiting(count=100)]
    assert ats == sorted(ats)
    assert {0, 3600, 7200} <= set(ats)
    assert total(spool) == sum(range(1000))
    assert spool.dropped == 0
    spool.close()


def test_what_was_sent_is_not_put_together_with_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "traffic.sqlite3", "first", max_buckets=4)
    for number in range(3):
        spool.add(number * 10, moved(1), {})
    sent = {(traffic.boot, traffic.seq) for traffic in spool.waiting()}
    for number in range(3, 9):
        spool.add(number * 10, moved(1), {})
    waiting = {(traffic.boot, traffic.seq): sum(one.up for one in traffic.moved) for traffic in spool.waiting()}
    assert all(waiting[one] == 1 for one in sent)
    assert sum(waiting.values()) == 9
    spool.close()


def test_what_is_too_much_even_then_is_dropped_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "traffic.sqlite3", "first", max_buckets=3)
    for hour in range(5):
        spool.add(hour * 3600, moved(1), {})
    assert spool.dropped == 2
    assert [traffic.at for traffic in spool.waiting()] == [7200, 10800, 14400]
    spool.close()


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "traffic.sqlite3", "first", max_bytes=20_000)
    for number in range(300):
        spool.add(number * 10, moved(1, "x" * 250), {})
    assert spool.size[1] <= 20_000
    assert total(spool) == 300
    spool.close()


def test_a_bucket_of_very_many_is_several_messages(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MOVED", 10)
    spool.add(100, [one for n in range(25) for one in moved(1, f"out{n}")], {})
    assert [len(traffic.moved) for traffic in spool.waiting()] == [10, 10, 5]
    assert {traffic.at for traffic in spool.waiting()} == {100}


def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "traffic.sqlite3"
    path.write_bytes(b"not at all" * 100)
    spool = Spool(path, "first")
    spool.add(100, moved(1), {})
    assert total(spool) == 1
    assert path.with_name("traffic.sqlite3.bad").exists()
    spool.close()


def test_nobody_else_may_read_it(spool: Spool, tmp_path: Path) -> None:
    spool.add(100, moved(1), {})
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
