from __future__ import annotations

from datetime import timedelta

import pytest
from axes.models import AccessLog
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from dashboard.tasks import forget_old_rows


@pytest.mark.django_db
def test_sessions_that_have_ended_and_old_logins_are_forgotten(ada: User) -> None:
    for _ in range(2):
        Client().force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
        AccessLog.objects.create(username="ada", attempt_time=timezone.now())
    ended, login = Session.objects.all()[0], AccessLog.objects.all()[0]
    Session.objects.filter(pk=ended.pk).update(expire_date=timezone.now() - timedelta(seconds=1))
    AccessLog.objects.filter(pk=login.pk).update(attempt_time=timezone.now() - timedelta(days=91))
    count = AccessLog.objects.count()
    forget_old_rows()
    assert Session.objects.count() == 1
    assert not Session.objects.filter(pk=ended.pk).exists()
    assert AccessLog.objects.count() == count - 1
