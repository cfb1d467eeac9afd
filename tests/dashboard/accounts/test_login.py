"""Logging in through the real form: passwords, one-time codes, throttling, what ends a session."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from dashboard.accounts import totp as codes
from tests.dashboard.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def log_in(client: Client, password: str = PASSWORD, **more: Any) -> HttpResponse:
    return client.post("/admin/login/", {"username": "ada", "password": password, "next": "/admin/", **more})  # type: ignore[return-value]


def code_of(device: TOTPDevice, steps: int = 0) -> str:
    return f"{totp(device.bin_key, step=device.step, t0=device.t0) if not steps else _later(device, steps):06d}"


def _later(device: TOTPDevice, steps: int) -> int:
    from django_otp.oath import TOTP

    clock = TOTP(device.bin_key, device.step, device.t0, device.digits)
    clock.time = time.time() + steps * device.step
    value: int = clock.token()
    return value


@pytest.fixture
def recovery(ada: User) -> list[str]:
    """Ada's account asks for one-time codes; these are her recovery codes."""
    given = codes.turn_on(ada, code_of(codes.pending_device(ada)))
    assert given is not None
    return given


def test_a_password_is_enough_without_an_authenticator(client: Client, ada: User) -> None:
    assert log_in(client).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_the_sixth_wrong_password_is_not_even_looked_at(client: Client, ada: User) -> None:
    answers = [log_in(client, "wrong").status_code for _ in range(5)]
    assert answers[:4] == [200] * 4
    assert log_in(client).status_code == 429
    assert log_in(Client(REMOTE_ADDR="198.51.100.9")).status_code == 302, "a stranger's guesses lock nobody else out"


def test_with_an_authenticator_the_password_is_not_enough(client: Client, ada: User, recovery: list[str]) -> None:
    answer = log_in(client)
    assert answer.status_code == 200
    assert "asks for the code" in answer.content.decode()
    assert client.get("/admin/").status_code == 302


def test_a_code_logs_in_once(ada: User, recovery: list[str]) -> None:
    code = code_of(TOTPDevice.objects.get(user=ada), steps=1)
    assert log_in(Client(), otp_token=code).status_code == 302
    assert log_in(Client(), otp_token=code).status_code == 200, "the same code again is refused"


def test_a_recovery_code_stands_in_once(ada: User, recovery: list[str]) -> None:
    assert len(set(recovery)) == codes.RECOVERY_CODES
    assert log_in(Client(), otp_token=recovery[0]).status_code == 302
    assert log_in(Client(), otp_token=recovery[0]).status_code == 200


def test_another_persons_code_does_not_help(client: Client, ada: User, olaf_device: TOTPDevice, recovery: list[str]) -> None:
    assert log_in(client, otp_token=code_of(olaf_device)).status_code == 200


@pytest.fixture
def olaf_device(db: None) -> TOTPDevice:
    other = User.objects.create_user("other", password=PASSWORD, is_staff=True)
    return TOTPDevice.objects.create(user=other, confirmed=True)


def test_changing_the_password_ends_the_sessions(client: Client, ada: User) -> None:
    log_in(client)
    ada.set_password("another long password")
    ada.save()
    assert client.get("/admin/").status_code == 302


def test_one_time_codes_are_set_up_and_taken_away_on_the_page(client: Client, ada: User) -> None:
    log_in(client)
    page = client.get("/admin/account/two-factor/")
    assert page.headers["Location"] == "/admin/account/confirm/?next=%2Fadmin%2Faccount%2Ftwo-factor%2F"
    assert client.post(page.headers["Location"], {"password": "wrong"}).status_code == 400
    assert client.post(page.headers["Location"], {"password": PASSWORD}).headers["Location"] == "/admin/account/two-factor/"
    assert "<svg" in client.get("/admin/account/two-factor/").content.decode()
    assert client.post("/admin/account/two-factor/", {"code": "000000"}).status_code == 400
    assert not codes.is_on(ada)
    # a wrong code makes the device wait a second; this is not what is tested here
    TOTPDevice.objects.update(throttling_failure_count=0)
    done = client.post("/admin/account/two-factor/", {"code": code_of(codes.pending_device(ada))})
    assert "One-time codes are on." in done.content.decode()
    assert codes.is_on(ada)
    client.post("/admin/account/two-factor/", {"off": ""})
    assert not codes.is_on(ada)


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_password_page_leads_nowhere_else(client: Client, ada: User, target: str) -> None:
    log_in(client)
    answer = client.post(f"/admin/account/confirm/?next={target}", {"password": PASSWORD})
    assert answer.headers["Location"] == "/admin/"


def test_wrong_passwords_on_the_password_page_count_like_failed_logins(client: Client, ada: User) -> None:
    log_in(client)
    for _ in range(5):
        client.post("/admin/account/confirm/", {"password": "wrong"})
    assert client.post("/admin/account/confirm/", {"password": PASSWORD}).status_code == 429
