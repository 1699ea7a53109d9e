"""The keys of hashes become rows.

They were derived from the oldest of `FIELD_ENCRYPTION_KEYS` each time. The rows begin with
just these, so every hash stays what it is, and the oldest key may go from now on.
"""

from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import migrations, models

import referrals.encrypted_field
from referrals.secret import Secret

PURPOSES = ("fingerprint", "signal", "identity")


def derive_key(oldest: str, purpose: str) -> bytes:
    """Return the key that releases before this one derived."""
    info = f"referrals.{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(
        oldest.encode()
    )


def store_keys(apps: Any, schema_editor: Any) -> None:
    HashKey = apps.get_model("referrals", "HashKey")
    oldest = settings.FIELD_ENCRYPTION_KEYS[-1]
    for purpose in PURPOSES:
        key = Secret(derive_key(oldest, purpose).hex())
        HashKey.objects.create(purpose=purpose, key=key)


class Migration(migrations.Migration):

    dependencies = [
        ('referrals', '0006_people'),
    ]

    operations = [
        migrations.CreateModel(
            name='HashKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('purpose', models.CharField(choices=[('fingerprint', 'events'), ('signal', 'signals'), ('identity', 'identities')], max_length=20, unique=True)),
                ('key', referrals.encrypted_field.EncryptedField(help_text='256 bits in hexadecimal.')),
            ],
            options={
                'verbose_name': 'kind of hashes',
            },
        ),
        migrations.RunPython(store_keys, migrations.RunPython.noop),
    ]
