from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('referrals', '0010_append_function'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='customname',
            index=models.Index(condition=models.Q(('approved_at__isnull', False)), fields=['app'], name='approved_names'),
        ),
    ]
