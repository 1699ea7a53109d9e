"""The model field of a secret: encrypted in the database, a `Secret` in memory."""

import base64
from functools import cache, lru_cache
from typing import NoReturn

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

from referrals.secret import Secret


@cache
def make_cipher(keys: tuple[str, ...]) -> MultiFernet:
    """Return a cipher that encrypts with the first key and decrypts with any."""
    return MultiFernet([Fernet(_derive(key)) for key in keys])


def _derive(key: str) -> bytes:
    hkdf = HKDF(
        algorithm=SHA256(), length=32, salt=None, info=b"clevertap_sync.passcode"
    )
    return base64.urlsafe_b64encode(hkdf.derive(key.encode()))


def read_cipher() -> MultiFernet:
    """Return the cipher of `FIELD_ENCRYPTION_KEYS`, newest first."""
    return make_cipher(tuple(settings.FIELD_ENCRYPTION_KEYS))


class UnreadableSecret(Secret):
    """A secret that no key decrypts. To list it is harmless; to use it raises an error."""

    __slots__ = ()

    def reveal(self) -> NoReturn:
        """Raise `ImproperlyConfigured`, which says what to do."""
        msg = (
            "No key in FIELD_ENCRYPTION_KEYS decrypts this value. Put the key that it was "
            "saved with back into the list, or enter the value again."
        )
        raise ImproperlyConfigured(msg)

    def hint(self) -> str:
        """Return the mask alone: an unreadable passcode has no known characters."""
        return self.MASK


# Each delivery reads its integration's; whoever sends keeps it in memory anyway.
@lru_cache(maxsize=256)
def _decrypt(keys: tuple[str, ...], value: str) -> Secret:
    try:
        return Secret(make_cipher(keys).decrypt(value.encode()).decode())
    except InvalidToken:
        return UnreadableSecret("unreadable")


class EncryptedField(models.TextField):  # type: ignore[type-arg]
    """A text that the database sees only encrypted, and Python only as a `Secret`.

    A value that no key decrypts becomes an `UnreadableSecret`, so that its ciphertext is
    never used as if it were the secret.
    """

    def get_prep_value(self, value: object) -> str:
        """Encrypt with the newest key; an empty text stays empty."""
        text = value.reveal() if isinstance(value, Secret) else str(value or "")
        return read_cipher().encrypt(text.encode()).decode() if text else ""

    def from_db_value(self, value: str | None, *_: object) -> Secret:
        """Decrypt with any of the keys."""
        return (
            _decrypt(tuple(settings.FIELD_ENCRYPTION_KEYS), value)
            if value
            else Secret()
        )

    def to_python(self, value: object) -> Secret:
        """Wrap a form's text into a `Secret`."""
        return value if isinstance(value, Secret) else Secret(str(value or ""))
