"""The groups viewer, operator and admin. Their rights come after each migrate (dashboard/accounts/roles.py)."""

from typing import Any

from django.db import migrations

NAMES = ("viewer", "operator", "admin")


def make(apps: Any, schema_editor: Any) -> None:
    group = apps.get_model("auth", "Group")
    for name in NAMES:
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0001_models"), ("auth", "0012_alter_user_first_name_max_length")]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
