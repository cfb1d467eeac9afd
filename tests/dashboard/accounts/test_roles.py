from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User

from dashboard.accounts.roles import ROLES, sync_roles

pytestmark = pytest.mark.django_db


def rights(group: str) -> set[str]:
    found = Group.objects.get(name=group).permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in found}


@pytest.mark.parametrize("name", sorted(ROLES))
def test_a_role_has_what_the_table_says_and_all_of_it_exists(name: str) -> None:
    assert rights(name) == ROLES[name]


def test_each_role_may_do_what_the_one_before_it_may() -> None:
    assert rights("viewer") < rights("operator") < rights("admin")


def test_secrets_accounts_and_publishing_are_for_those_who_need_them() -> None:
    assert not {right for right in ROLES["viewer"] if not right.startswith("dashboard.view_")}
    assert "dashboard.view_auditentry" not in ROLES["viewer"]
    assert "dashboard.reveal_secrets" not in ROLES["operator"]
    assert "dashboard.publish_instance" in ROLES["operator"]
    assert not {right for right in ROLES["operator"] if right.startswith("auth.")}


def test_rights_that_were_taken_away_come_back_with_the_next_migrate(vera: User) -> None:
    Group.objects.get(name="viewer").permissions.clear()
    Group.objects.get(name="viewer").permissions.add(Permission.objects.get(codename="delete_user"))
    sync_roles()
    assert rights("viewer") == ROLES["viewer"]
    assert User.objects.get(pk=vera.pk).has_perm("dashboard.view_instance")
