"""Rotating keys: what is encrypted with which of `FIELD_ENCRYPTION_KEYS`, and with none.

The columns are found by their type, `EncryptedField`, so that a new one needs no change
here.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cryptography.fernet import InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models.functions import Cast

from referrals.encrypted_field import EncryptedField, make_cipher, read_cipher
from referrals.hashing import KEY_BYTES
from referrals.models import HashKey, IdKey

_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One encrypted value. `key` is the index in the list of keys, None where none fits."""

    field: EncryptedField
    row: int
    ciphertext: str
    key: int | None

    @property
    def kind(self) -> str:
        """Return the kind of secret, such as "passcode of an integration"."""
        noun = str(self.field.model._meta.verbose_name)
        article = "an" if noun[0] in "aeiou" else "a"
        return f"{self.field.verbose_name} of {article} {noun}"

    @property
    def is_made(self) -> bool:
        """Return whether the product made it, so that nobody can enter it again."""
        return self.field.model in (HashKey, IdKey)

    @property
    def is_lost_hash_key(self) -> bool:
        """Return whether it is a key of hashes that no key decrypts."""
        return self.key is None and self.field.model is HashKey

    def name(self) -> str:
        """Return the secret's name, such as "passcode of Shop → ABC-123-4567"."""
        return f"{self.field.verbose_name} of {_rows_of(self.field).get(pk=self.row)}"


def list_encrypted_fields() -> list[EncryptedField]:
    """Return the encrypted columns of all models."""
    return [
        field
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, EncryptedField)
    ]


def read_secrets() -> Iterator[StoredSecret]:
    """Yield every encrypted value, those of archived and disabled rows included."""
    for field in list_encrypted_fields():
        for row, ciphertext in _read_column(field):
            yield StoredSecret(field, row, ciphertext, _key_of(ciphertext))


def encrypt_with_newest_key(secret: StoredSecret) -> bool:
    """Encrypt a value with the newest key; False if it was changed meanwhile.

    A key has to decrypt the value.
    """
    again = read_cipher().rotate(secret.ciphertext.encode()).decode()
    return _replace(secret, again)


def replace_lost_hash_keys() -> int:
    """Put new keys in place of those of hashes that no key decrypts; return how many.

    Whatever was hashed with them is never recognised again.
    """
    lost = [each for each in read_secrets() if each.is_lost_hash_key]
    made = (read_cipher().encrypt(secrets.token_hex(KEY_BYTES).encode()) for _ in lost)
    return sum(
        _replace(secret, new.decode()) for secret, new in zip(lost, made, strict=True)
    )


def _read_column(field: EncryptedField) -> Iterator[tuple[int, str]]:
    """Yield (row, ciphertext) of a column, each chunk read to its end before any of it.

    Who is given a value may write it, and SQLite refuses a write beside an open read once
    another has written.
    """
    rows = _stored(field).exclude(stored="").order_by("pk")
    rows, last = rows.values_list("pk", "stored"), 0
    while chunk := list(rows.filter(pk__gt=last)[:_CHUNK]):
        yield from chunk
        last, _ = chunk[-1]


def _replace(secret: StoredSecret, ciphertext: str) -> bool:
    same = _stored(secret.field).filter(pk=secret.row, stored=secret.ciphertext)
    value = models.Value(ciphertext, output_field=models.TextField())
    return bool(same.update(**{secret.field.name: value}))


def _stored(field: EncryptedField) -> Any:
    """Return the field's rows, each with the ciphertext that it has as `stored`."""
    return _rows_of(field).annotate(stored=Cast(field.name, models.TextField()))


def _rows_of(field: EncryptedField) -> Any:
    return field.model._base_manager


def _key_of(ciphertext: str) -> int | None:
    for index, key in enumerate(settings.FIELD_ENCRYPTION_KEYS):
        try:
            make_cipher((key,)).decrypt(ciphertext.encode())
        except InvalidToken:
            continue
        return index
    return None
