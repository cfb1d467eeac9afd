from __future__ import annotations

import pytest
from django.test import Client


def test_the_front_page_says_what_works(client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "manage.py runproxy portal.json" in page.content.decode()


def test_the_front_page_carries_the_security_headers(client: Client) -> None:
    headers = client.get("/").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_the_front_page_is_for_reading_only(client: Client) -> None:
    assert client.post("/").status_code == 405


@pytest.mark.django_db
def test_a_stranger_is_asked_to_log_in_at_the_admin(client: Client) -> None:
    answer = client.get("/admin/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/admin/login/?next=/admin/"
    assert client.get("/admin/login/").status_code == 200
