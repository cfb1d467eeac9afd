from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

pytestmark = pytest.mark.django_db
MORE = {"username": "vera", "is_active": "on", "is_staff": "on", "is_superuser": "on"}


@pytest.fixture
def as_adam() -> Client:
    """An admin who is no superuser."""
    adam = User.objects.create_user("adam", is_staff=True)
    adam.groups.add(Group.objects.get(name="admin"))
    client = Client()
    client.force_login(adam, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_admins_make_no_superusers(as_adam: Client, vera: User) -> None:
    page = f"/admin/auth/user/{vera.pk}/change/"
    answer = as_adam.post(page, {**MORE, "email": "v@example.org"})
    assert answer.status_code == 302
    vera.refresh_from_db()
    assert (vera.is_superuser, vera.email) == (False, "v@example.org")


def test_admins_take_over_no_superuser(as_adam: Client, ada: User) -> None:
    before = ada.password
    for page in ("change", "delete", "password"):
        answer = as_adam.post(f"/admin/auth/user/{ada.pk}/{page}/", {"post": "yes", "password1": "x" * 20, "password2": "x" * 20})
        assert answer.status_code == 403
    as_adam.post("/admin/auth/user/", {"action": "delete_selected", "_selected_action": [ada.pk], "post": "yes"})
    ada.refresh_from_db()
    assert ada.password == before


def test_superusers_do(as_ada: Client, vera: User) -> None:
    as_ada.post(f"/admin/auth/user/{vera.pk}/change/", MORE)
    vera.refresh_from_db()
    assert vera.is_superuser
