from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.models import Credential, Inbound
from dashboard.services.clients import change_client
from dashboard.services.instances import create_instance, local_node
from dashboard.services.periods import begin_periods, period_at

BEGAN = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(("period", "now", "expected"), [
    ("daily", BEGAN + timedelta(hours=23), BEGAN),
    ("daily", BEGAN + timedelta(days=3, hours=1), BEGAN + timedelta(days=3)),
    ("weekly", BEGAN + timedelta(days=15), BEGAN + timedelta(days=14)),
    ("monthly", datetime(2026, 2, 28, 12, 29, tzinfo=UTC), BEGAN),
    ("monthly", datetime(2026, 2, 28, 12, 30, tzinfo=UTC), datetime(2026, 2, 28, 12, 30, tzinfo=UTC)),
    ("monthly", datetime(2026, 3, 31, 13, 0, tzinfo=UTC), datetime(2026, 3, 31, 12, 30, tzinfo=UTC)),
    ("monthly", datetime(2027, 1, 30, 0, 0, tzinfo=UTC), datetime(2026, 12, 31, 12, 30, tzinfo=UTC)),
])
def test_a_period_begins_at_its_time(period: str, now: datetime, expected: datetime) -> None:
    assert period_at(BEGAN, period, now) == expected


@pytest.mark.django_db
def test_used_data_starts_from_zero_where_a_period_is_over() -> None:
    edge = create_instance(name="edge", node=local_node(), by=None)
    inbound = Inbound.objects.create(instance=edge, tag="in", protocol="vless", port="1")

    def client(email: str, period: str, began: datetime | None) -> Credential:
        return Credential.objects.create(
            inbound=inbound, email=email, reset_period=period, period_began_at=began, used_bytes=9, data_limit_bytes=9)

    now = BEGAN + timedelta(days=2)
    over, runs, never = client("over", "daily", BEGAN), client("runs", "weekly", BEGAN), client("never", "never", None)
    assert begin_periods(now) == [edge.node_id]
    for row in (over, runs, never):
        row.refresh_from_db()
    assert (over.used_bytes, over.period_began_at, over.is_usable) == (0, BEGAN + timedelta(days=2), True)
    assert (runs.used_bytes, never.used_bytes) == (9, 9)
    assert begin_periods(now) == []


@pytest.mark.django_db
def test_a_month_that_is_too_short_moves_no_later_period() -> None:
    edge = create_instance(name="edge", node=local_node(), by=None)
    inbound = Inbound.objects.create(instance=edge, tag="in", protocol="vless", port="1")
    row = Credential.objects.create(inbound=inbound, email="a", reset_period="monthly", period_began_at=BEGAN)
    began = []
    for day in range(150):
        begin_periods(BEGAN + timedelta(days=day, hours=1))
        row.refresh_from_db()
        began.append(f"{row.period_began_at:%m-%d}")
    assert list(dict.fromkeys(began)) == ["01-31", "02-28", "03-31", "04-30", "05-31"]
    change_client(row, by=None, reset_period="never")
    change_client(row, by=None, reset_period="monthly")
    row.refresh_from_db()
    assert row.period_day == 0


@pytest.mark.django_db
def test_a_period_that_never_began_begins() -> None:
    edge = create_instance(name="edge", node=local_node(), by=None)
    inbound = Inbound.objects.create(instance=edge, tag="in", protocol="vless", port="1")
    row = Credential.objects.create(inbound=inbound, email="a", reset_period="daily", used_bytes=9)
    assert begin_periods(BEGAN) == []
    assert begin_periods(BEGAN + timedelta(days=1)) == [edge.node_id]
    row.refresh_from_db()
    assert (row.used_bytes, row.period_began_at) == (0, BEGAN + timedelta(days=1))
