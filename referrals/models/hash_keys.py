"""The keys of keyed hashes: one for each purpose, for ever the same."""

from django.db import models

from referrals.encrypted_field import EncryptedField


class HashKey(models.Model):
    """The key with which everything of one purpose is hashed.

    Made by a migration, and never replaced: what was hashed before would not be recognised.
    """

    class Purpose(models.TextChoices):
        """What is hashed."""

        FINGERPRINT = "fingerprint", "events"
        SIGNAL = "signal", "signals"
        IDENTITY = "identity", "identities"

    purpose = models.CharField(max_length=20, choices=Purpose, unique=True)
    key = EncryptedField(help_text="256 bits in hexadecimal.")

    class Meta:
        verbose_name = "kind of hashes"

    def __str__(self) -> str:
        return f"hashes of {self.get_purpose_display()}"
