from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.core.signing import TimestampSigner
from django.test import Client
from django.utils import timezone

from dashboard.accounts import setup_link

pytestmark = pytest.mark.django_db
FORM = {"username": "ada", "password1": "correct horse battery", "password2": "correct horse battery"}


def printed_link() -> str:
    out = StringIO()
    call_command("setup_link", "--base-url", "http://panel.example/", stdout=out)
    match = re.fullmatch(r"http://panel\.example(/setup/\S+/)\n", out.getvalue())
    assert match is not None
    return match[1]


def test_the_link_makes_an_administrator_who_is_logged_in(client: Client) -> None:
    answer = client.post(printed_link(), FORM)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
    user = User.objects.get()
    assert (user.username, user.is_superuser, user.is_staff) == ("ada", True, True)
    assert [group.name for group in user.groups.all()] == ["admin"]
    assert user.password.startswith("argon2")
    assert client.get("/admin/").status_code == 200


def test_the_link_works_once(client: Client) -> None:
    link = printed_link()
    client.post(link, FORM)
    again = Client().post(link, FORM | {"username": "eve"})
    assert again.status_code == 410
    assert "This link was used" in again.content.decode()
    assert User.objects.count() == 1


def test_no_link_is_printed_once_there_is_an_administrator(ada: User) -> None:
    with pytest.raises(CommandError, match="There is an administrator already"):
        call_command("setup_link")


def test_a_link_of_yesterday_has_expired(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    two_days_ago = (timezone.now() - timedelta(days=2)).timestamp()
    with monkeypatch.context() as moved:
        moved.setattr("django.core.signing.time.time", lambda: two_days_ago)
        link = setup_link.make_path()
    answer = client.get(link)
    assert answer.status_code == 410
    assert "older than a day" in answer.content.decode()


@pytest.mark.parametrize(
    "token", ["first-admin", "first-admin:1:x", TimestampSigner(salt="other").sign("first-admin")],
    ids=["name alone", "no signature", "another signer"])
def test_a_made_up_link_is_refused(client: Client, token: str) -> None:
    assert client.get(f"/setup/{token}/").status_code == 410
    assert client.post(f"/setup/{token}/", FORM).status_code == 410
    assert User.objects.count() == 0


def test_a_weak_password_is_refused_on_its_field(client: Client) -> None:
    answer = client.post(printed_link(), FORM | {"password1": "short", "password2": "short"})
    assert answer.status_code == 400
    assert "too short" in answer.content.decode()
    assert User.objects.count() == 0


def test_the_page_has_the_strict_policy_and_is_not_cached(client: Client) -> None:
    headers = client.get(printed_link()).headers
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "no-store" in headers["Cache-Control"]
