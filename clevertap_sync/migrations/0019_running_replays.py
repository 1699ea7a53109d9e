from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('clevertap_sync', '0018_delivery_functions'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='replay',
            index=models.Index(condition=models.Q(('state', 'running')), fields=['integration'], name='running_replays'),
        ),
    ]
