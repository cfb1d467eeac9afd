from typing import Any

from django.db import migrations, models


def mark(apps: Any, _editor: Any) -> None:
    """Tokens that are for some instances are so whatever becomes of these."""
    tokens = apps.get_model("dashboard", "ApiToken").objects
    limited = list(tokens.filter(instances__isnull=False).values_list("pk", flat=True).distinct())
    tokens.filter(pk__in=limited).update(is_limited=True)


class Migration(migrations.Migration):

    dependencies = [
        ('dashboard', '0007_notifications'),
    ]

    operations = [
        migrations.AddField(
            model_name='apitoken',
            name='is_limited',
            field=models.BooleanField(default=False, editable=False, help_text='only for `instances`, also if none is left'),
        ),
        migrations.AddIndex(
            model_name='credential',
            index=models.Index(condition=models.Q(('reverse_tag', ''), _negated=True), fields=['inbound'], name='credential_opens_a_tunnel'),
        ),
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
