from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from dashboard.models import Receiver

HOOK = {"name": "chat", "kind": "webhook", "address": "https://hooks.example.net/s3cret", "hold_s": "30", "enabled": "on"}


def test_a_receiver_is_made_changed_and_deleted(as_ada: Client) -> None:
    made = as_ada.post("/admin/dashboard/receiver/add/", HOOK, follow=True)
    assert "chat is saved" in made.content.decode()
    row = Receiver.objects.get()
    assert row.secret
    changed = {**HOOK, "kinds": ["tunnel_down"], "hold_s": "5"}
    page = as_ada.post(f"/admin/dashboard/receiver/{row.pk}/change/", changed, follow=True)
    assert row.secret not in page.content.decode()
    assert "s3cret" not in page.content.decode()
    assert "https://hooks.example.net/…" in page.content.decode()
    as_ada.post(f"/admin/dashboard/receiver/{row.pk}/change/", {**changed, "address": ""})
    row.refresh_from_db()
    assert row.address == HOOK["address"]
    row.refresh_from_db()
    assert (row.kinds, row.hold_s) == (["tunnel_down"], 5)
    listed = as_ada.get("/admin/dashboard/receiver/").content.decode()
    assert "tunnel down" in listed
    assert "s3cret" not in listed
    as_ada.post(f"/admin/dashboard/receiver/{row.pk}/delete/", {"confirmed": "1"})
    assert not Receiver.objects.exists()


@pytest.mark.parametrize(("wrong", "said"), [
    ({"address": "nowhere"}, "a web address is expected"), ({"kind": "email", "address": "x"}, "x is no e-mail address"),
    ({"hold_s": "-1"}, "greater than or equal to 0"), ({"name": ""}, "required"),
])
def test_a_wrong_value_is_told_at_its_field(as_ada: Client, wrong: dict[str, str], said: str) -> None:
    answer = as_ada.post("/admin/dashboard/receiver/add/", {**HOOK, **wrong})
    assert answer.status_code == 400
    assert said in answer.content.decode()


def test_a_test_that_does_not_arrive_says_so(as_ada: Client) -> None:
    as_ada.post("/admin/dashboard/receiver/add/", {**HOOK, "address": "http://127.0.0.1:9/"})
    answer = as_ada.post(f"/admin/dashboard/receiver/{Receiver.objects.get().pk}/test/", follow=True)
    assert "did not arrive" in answer.content.decode()


def test_the_secret_is_shown_after_the_password(as_ada: Client) -> None:
    as_ada.post("/admin/dashboard/receiver/add/", HOOK)
    row = Receiver.objects.get()
    answer = as_ada.get(f"/admin/dashboard/receiver/{row.pk}/change/?reveal=1")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/account/confirm/")


def test_operators_and_viewers_have_no_receivers_but_see_conditions(as_olaf: Client, as_vera: Client) -> None:
    for client in (as_olaf, as_vera):
        assert client.get("/admin/dashboard/receiver/").status_code == 403
        assert client.get("/admin/dashboard/condition/").status_code == 200


def test_admins_who_are_no_superusers_have_them(client: Client, db: None) -> None:
    adam = User.objects.create_user("adam", is_staff=True)
    adam.groups.add(Group.objects.get(name="admin"))
    client.force_login(adam, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/dashboard/receiver/add/").status_code == 200
