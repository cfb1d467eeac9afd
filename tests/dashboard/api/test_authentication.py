from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from dashboard.api.authentication import TokenAuthentication, find_token, make_token
from dashboard.models import ApiToken

pytestmark = pytest.mark.django_db


@pytest.fixture
def token(ada: User) -> tuple[ApiToken, str]:
    new = make_token()
    return ApiToken.objects.create(name="ci", user=ada, prefix=new.prefix, secret_hash=new.secret_hash), new.text


def request(header: str) -> Request:
    return Request(APIRequestFactory().get("/api/v1/", HTTP_AUTHORIZATION=header, REMOTE_ADDR="198.51.100.7"))


def test_a_token_stands_for_its_person(token: tuple[ApiToken, str], ada: User) -> None:
    row, text = token
    for scheme in ("Bearer", "bearer"):
        assert TokenAuthentication().authenticate(request(f"{scheme} {text}")) == (ada, row)
    row.refresh_from_db()
    assert row.last_used_from == "198.51.100.7"
    assert row.last_used_at is not None


def test_the_secret_itself_is_stored_nowhere(token: tuple[ApiToken, str]) -> None:
    row, text = token
    secret = text.split("_", 2)[2]
    assert len(secret) >= 43
    assert all(secret not in str(value) for value in ApiToken.objects.values_list().get(pk=row.pk))


def test_tokens_that_are_no_longer_good_are_refused(token: tuple[ApiToken, str], ada: User) -> None:
    row, text = token
    now = timezone.now()
    for change in ({"revoked_at": now}, {"expires_at": now - timedelta(seconds=1)}):
        ApiToken.objects.filter(pk=row.pk).update(revoked_at=None, expires_at=None)
        assert find_token(text) == row
        ApiToken.objects.filter(pk=row.pk).update(**change)
        assert find_token(text) is None
    ApiToken.objects.filter(pk=row.pk).update(revoked_at=None, expires_at=None)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert find_token(text) is None


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer x", "Bearer xrev_", "Bearer xrev_{prefix}_wrong", "Bearer {text}x", "Bearer \xff\x00"]
)
def test_anything_else_is_refused_in_the_same_words(token: tuple[ApiToken, str], header: str) -> None:
    row, text = token
    with pytest.raises(AuthenticationFailed, match="not known, was revoked, or has expired"):
        TokenAuthentication().authenticate(request(header.format(prefix=row.prefix, text=text)))


def test_other_schemes_are_left_to_others() -> None:
    assert TokenAuthentication().authenticate(request("Basic YTpi")) is None
    assert TokenAuthentication().authenticate(request("")) is None
