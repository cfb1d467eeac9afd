from __future__ import annotations

import pytest

from dashboard.models import Credential, Inbound, Instance, Node, TrafficMoved, TrafficPoint, TrafficSeries, TrafficSource
from dashboard.services import traffic
from dashboard.services.instances import create_instance, local_node
from dashboard.services.traffic import DAY, HOUR, KEPT_FOR, MINUTE, MOST, REPORTED, fold, forget_old, history, keep
from proxycore.messages.link import Moved, Traffic

NOW = 1_790_000_000 // DAY * DAY


@pytest.fixture
def edge(db: None) -> Instance:
    return create_instance(name="edge", node=local_node(), by=None)


def report(*moved: Moved, seq: int = 1, at: int = NOW, boot: str = "b") -> Traffic:
    return Traffic(boot=boot, seq=seq, at=at, moved=list(moved))


def tunnel(instance: Instance, up: int, down: int, opened: int = 0, name: str = "home") -> Moved:
    return Moved(instance=instance.pk, kind="tunnel", name=name, up=up, down=down, opened=opened)


def points(step: int) -> list[tuple[int, int, int, int]]:
    return list(TrafficPoint.objects.filter(step=step).order_by("at", "series__name").values_list("at", "up", "down", "opened"))


def test_reports_become_points_of_every_step(edge: Instance) -> None:
    for seq, at in enumerate((NOW, NOW + 10, NOW + 60, NOW + HOUR), start=1):
        assert keep(edge.node_id, report(tunnel(edge, 1, 10, 2), seq=seq, at=at))
    assert fold() == 4
    assert points(REPORTED) == [(at, 1, 10, 2) for at in (NOW, NOW + 10, NOW + 60, NOW + HOUR)]
    assert points(MINUTE) == [(NOW, 2, 20, 4), (NOW + 60, 1, 10, 2), (NOW + HOUR, 1, 10, 2)]
    assert points(HOUR) == [(NOW, 3, 30, 6), (NOW + HOUR, 1, 10, 2)]
    assert points(DAY) == [(NOW, 4, 40, 8)]
    series = TrafficSeries.objects.get()
    assert (series.up, series.down, series.opened) == (4, 40, 8)
    assert not TrafficMoved.objects.exists()
    assert fold() == 0


def test_a_report_that_is_sent_again_counts_once(edge: Instance) -> None:
    assert keep(edge.node_id, report(tunnel(edge, 1, 1), seq=5))
    assert not keep(edge.node_id, report(tunnel(edge, 1, 1), seq=5))
    assert not keep(edge.node_id, report(tunnel(edge, 1, 1), seq=4))
    assert keep(edge.node_id, report(tunnel(edge, 1, 1), seq=1, boot="the agent was restarted"))
    fold()
    assert points(DAY) == [(NOW, 2, 2, 0)]


def test_a_late_report_goes_where_it_belongs(edge: Instance) -> None:
    keep(edge.node_id, report(tunnel(edge, 1, 1), seq=1, at=NOW + 6 * HOUR))
    fold()
    keep(edge.node_id, report(tunnel(edge, 5, 5), seq=2, at=NOW + 7))
    fold()
    assert points(HOUR) == [(NOW, 5, 5, 0), (NOW + 6 * HOUR, 1, 1, 0)]
    assert points(DAY) == [(NOW, 6, 6, 0)]


def test_a_node_reports_for_its_own_instances_only(edge: Instance) -> None:
    other = Node.objects.create(name="other")
    assert keep(other.pk, report(tunnel(edge, 1, 1)))
    fold()
    assert not TrafficPoint.objects.exists()
    assert not TrafficSeries.objects.exists()


def test_clients_are_charged_by_their_email(edge: Instance) -> None:
    inbound = Inbound.objects.create(instance=edge, tag="in", protocol="vless", port="1")
    ann = Credential.objects.create(inbound=inbound, email="ann")
    bob = Credential.objects.create(inbound=inbound, email="bob", used_bytes=7)
    moved = Moved(instance=edge.pk, kind="user", name="bob", up=1, down=2)
    keep(edge.node_id, report(moved))
    keep(edge.node_id, report(moved))
    ann.refresh_from_db()
    bob.refresh_from_db()
    assert (ann.used_bytes, bob.used_bytes) == (0, 10)


def test_a_clock_that_is_ahead_does_not_fill_the_future(edge: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: float(NOW))
    keep(edge.node_id, report(tunnel(edge, 1, 1), at=NOW + 400 * DAY))
    fold()
    assert points(REPORTED) == [(NOW + 600, 1, 1, 0)]


def test_each_step_is_kept_as_long_as_it_says(edge: Instance) -> None:
    for seq, age in enumerate((HOUR, DAY, 30 * DAY, 300 * DAY, 2000 * DAY), start=1):
        keep(edge.node_id, report(tunnel(edge, 1, 1), seq=seq, at=NOW - age))
    fold()
    forget_old(NOW)
    assert {step: len(points(step)) for step in KEPT_FOR} == {REPORTED: 1, MINUTE: 2, HOUR: 3, DAY: 3}
    assert TrafficSeries.objects.get().up == 5
    assert TrafficSource.objects.exists()


def test_a_history_has_no_gaps(edge: Instance) -> None:
    keep(edge.node_id, report(tunnel(edge, 1, 2, 3), at=NOW - 120))
    fold()
    found = history(edge.pk, "tunnel", "home", "1h", now=NOW + 3)
    assert found.step == REPORTED
    assert len(found.points) == HOUR // REPORTED
    assert found.points[-1][0] == NOW
    assert [point for point in found.points if any(point[1:])] == [(NOW - 120, 1, 2, 3)]
    assert all(not any(point[1:]) for point in history(edge.pk, "tunnel", "nobody", "30d", now=NOW).points)


def test_names_that_no_database_takes_are_left_out(edge: Instance) -> None:
    assert keep(edge.node_id, report(tunnel(edge, 1, 1, name="a\0b"), tunnel(edge, 1, 1)))
    assert list(TrafficSeries.objects.values_list("name", flat=True)) == ["home"]


def test_a_month_of_a_busy_instance_is_read_and_kept_by_few_queries(
    edge: Instance, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    moved = [tunnel(edge, 1, 1, name=f"t{number}") for number in range(300)]
    with django_assert_max_num_queries(16):     # type: ignore[operator]
        keep(edge.node_id, report(*moved))
    fold()
    with django_assert_max_num_queries(1):      # type: ignore[operator]
        history(edge.pk, "tunnel", "t7", "30d", now=NOW)


def test_figures_that_no_database_could_add_up_stop_nobody_elses(edge: Instance) -> None:
    inbound = Inbound.objects.create(instance=edge, tag="in", protocol="vless", port="1")
    bob = Credential.objects.create(inbound=inbound, email="bob", used_bytes=MOST - 5)
    absurd = [tunnel(edge, 10**30, 2**63 - 1, name="absurd")] * 2000
    user = Moved(instance=edge.pk, kind="user", name="bob", up=10**30, down=1)
    for seq in range(1, 4):
        assert keep(edge.node_id, report(*absurd, user, tunnel(edge, 1, 2), seq=seq))
    assert TrafficMoved.objects.count() == 9, "one of a report is one row"
    TrafficMoved.objects.filter(series__name="absurd").update(up=MOST - 1)
    assert fold() == 9
    series = TrafficSeries.objects.get(name="absurd")
    assert (series.up, series.down) == (MOST, MOST)
    assert TrafficSeries.objects.get(name="home").down == 6
    assert points(DAY)[0][1:] == (MOST, MOST, 0)
    keep(edge.node_id, report(*absurd, seq=4))
    fold()
    assert points(DAY)[0][1] == MOST
    bob.refresh_from_db()
    assert bob.used_bytes == MOST


def test_a_node_that_says_another_boot_each_time_fills_no_table(edge: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MAX_SOURCES", 3)
    for number in range(6):
        assert keep(edge.node_id, report(boot=f"b{number}"))
    assert list(TrafficSource.objects.order_by("pk").values_list("boot", flat=True)) == ["b3", "b4", "b5"]
