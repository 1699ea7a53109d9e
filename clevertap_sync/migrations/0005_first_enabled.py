from typing import Any

from django.db import migrations, models
from django.db.models.functions import Now


def mark_those_that_were_enabled(apps: Any, schema_editor: Any) -> None:
    """When that was, nobody wrote down; what has a cursor, or a start, once was."""
    integrations = apps.get_model('clevertap_sync', 'Integration').objects
    was_enabled = models.Q(enabled=True) | models.Q(cursor__gt=0) | models.Q(deliver_since__isnull=False)
    integrations.filter(was_enabled).update(first_enabled_at=Now())


class Migration(migrations.Migration):

    dependencies = [
        ('clevertap_sync', '0004_overview'),
    ]

    operations = [
        migrations.AddField(
            model_name='integration',
            name='first_enabled_at',
            field=models.DateTimeField(blank=True, help_text='From then on, retention keeps what it has not delivered, paused or not.', null=True),
        ),
        migrations.RunPython(mark_those_that_were_enabled, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name='integration',
            constraint=models.CheckConstraint(condition=models.Q(('enabled', False), ('first_enabled_at__isnull', False), _connector='OR'), name='enabled_since_an_instant'),
        ),
    ]
